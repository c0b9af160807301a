#include "agent/kubernetes/api_configuration.h"

#include <cstdlib>
#include <doctest/doctest.h>

using namespace agent;
using pipeline::ConfigDocument;

namespace {
// Variables of this process, put back at the end.
class Variables {
 public:
  Variables(std::initializer_list<std::pair<const char*, const char*>> all) {
    for (const char* name : {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NODE_NAME"}) ::unsetenv(name);
    for (const auto& [name, value] : all) ::setenv(name, value, 1);
  }
  ~Variables() {
    for (const char* name : {"KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "NODE_NAME"}) ::unsetenv(name);
  }
};

std::shared_ptr<const KubernetesOptions> read(const std::string& text) {
  auto document = *ConfigDocument::parse(text, "agent.toml");
  auto options = read_pod_api(document.root());
  auto finished = document.finish();
  CHECK_MESSAGE(finished.has_value(), (finished ? "" : finished.error().message));
  return options;
}
}  // namespace

TEST_SUITE("agent/kubernetes") {
  TEST_CASE("configuration: in a cluster its server is asked, about this node's pods; elsewhere nobody") {
    {
      Variables none({});
      CHECK(read("") == nullptr);
    }
    Variables cluster(
        {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}, {"NODE_NAME", "node-7"}});
    auto options = read("");
    REQUIRE(options);
    CHECK(options->api.server == "https://10.0.0.1:443");
    CHECK(options->node == "node-7");
    CHECK(read("node = \"other\"")->node == "other");
    CHECK(read("node = \"\"")->node == "");
    CHECK(read("api = \"none\"") == nullptr);
    CHECK(read("api = { server = \"http://a:1\", token_file = \"/t\" }")->api.server == "http://a:1");
    Variables six({{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "6443"}});
    CHECK(read("api = { token_file = \"/t\" }")->api.server == "https://[fd00::1]:6443");
    CHECK(read("api = { token_file = \"/t\" }")->api.token_file == "/t");
  }

  TEST_CASE("configuration: a kubelet is asked for the pods that it has") {
    Variables none({});
    auto options =
        read("kubelet = { insecure_skip_verify = true, refresh = \"1s\" }\nattach_metadata = { job = true }");
    REQUIRE(options);
    CHECK(options->kubelet);
    CHECK(options->api.server == "https://localhost:10250");
    CHECK_FALSE(options->api.verify);
    CHECK(options->refresh == std::chrono::seconds(1));
    CHECK(options->attach_job);
  }
}
