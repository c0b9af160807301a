#include <doctest/doctest.h>

#include "agent/receiver/receiver_options.h"
#include "agent/receiver/receiver_source.h"
#include "pipeline/config/config.h"

namespace agent {
namespace {

template <class Options>
std::shared_ptr<const Options> read(std::string_view text,
                                    std::shared_ptr<const StreamOptions> (*reader)(const pipeline::ConfigTable&),
                                    std::string& errors) {
  auto document = pipeline::ConfigDocument::parse(text, "a.toml", {});
  REQUIRE(document);
  auto options = std::dynamic_pointer_cast<const Options>(reader(document->root()));
  REQUIRE(options);
  auto finished = document->finish();
  errors = finished ? "" : finished.error().message;
  return options;
}
std::string faults(std::string_view text, bool otlp = false) {
  std::string errors;
  if (otlp)
    read<OtlpOptions>(text, read_otlp, errors);
  else
    read<PushOptions>(text, read_push, errors);
  return errors;
}

}  // namespace

TEST_SUITE("agent/receiver") {
  TEST_CASE("receiver: defaults are those of the documentation") {
    std::string errors;
    auto push = read<PushOptions>("", read_push, errors);
    CHECK(errors.empty());
    CHECK(push->place() == "http://127.0.0.1:3500");
    CHECK(push->max_body_bytes() == 16 << 20);
    CHECK(push->use_incoming_timestamp);
    auto otlp = read<OtlpOptions>("", read_otlp, errors);
    CHECK(errors.empty());
    CHECK(otlp->place() == "http://127.0.0.1:4318");
    CHECK(otlp->mapping.discover_service_name.front() == "service");
  }

  TEST_CASE("receiver: every key is read") {
    std::string errors;
    auto push = read<PushOptions>(
        "listen = \":3500\"\nmax_body_size = \"1MiB\"\npath_prefix = \"/a\"\nuse_incoming_timestamp = false\n"
        "tls = { cert_file = \"c\", key_file = \"k\", client_ca_file = \"ca\" }\n",
        read_push, errors);
    CHECK(errors.empty());
    CHECK(push->place() == "https://:3500/a");
    CHECK(push->listen.tls.client_ca_file == "ca");
    CHECK_FALSE(push->use_incoming_timestamp);
    auto otlp = read<OtlpOptions>(
        "severity_text_as_label = true\ndiscover_service_name = []\n"
        "resource_attributes = { ignore_defaults = true, attributes_config = ["
        "{ action = \"index_label\", regex = \"k8s[.].*\" }, { action = \"drop\", attributes = [\"a\", \"b\"] }] }\n"
        "scope_attributes = [{ action = \"drop\", attributes = [\"c\"] }]\n"
        "log_attributes = [{ regex = \"user_.*\" }]\n",
        read_otlp, errors);
    CHECK(errors.empty());
    CHECK(otlp->mapping.severity_text_as_label);
    CHECK(otlp->mapping.discover_service_name.empty());
    CHECK(otlp->mapping.ignore_defaults);
    REQUIRE(otlp->mapping.resource_rules.size() == 2);
    CHECK(otlp->mapping.resource_rules[0].matches("k8s.pod.name"));
    CHECK_FALSE(otlp->mapping.resource_rules[0].matches("my.k8s.pod.name"));
    CHECK(otlp->mapping.resource_rules[1].matches("b"));
    CHECK(otlp->mapping.scope_rules.size() == 1);
    CHECK(otlp->mapping.record_rules.size() == 1);
  }

  TEST_CASE("receiver: mistakes are told with their remedy") {
    for (std::string_view address : {"3500", ":x", "127.0.0.1:", "127.0.0.1:65536", "[::1]"})
      CHECK(faults(pipeline::concat("listen = \"", address, "\"\n")) ==
            pipeline::concat("a.toml:1:10: \"", address,
                             "\" is not HOST:PORT with a port up to 65535; for example \"127.0.0.1:3500\""));
    CHECK(faults("listen = \"[::1]:0\"\n").empty());
    CHECK(faults("tls = { cert_file = \"c\" }\n").find("certificate and key must be configured") != std::string::npos);
    CHECK(faults("tls = { client_ca_file = \"c\" }\n").find("client certificates need TLS") != std::string::npos);
    CHECK(faults("max_body_size = \"1GiB\"\n").find("not between 64KiB and 100MiB") != std::string::npos);
    CHECK(faults("path_prefix = \"a/\"\n").find("does not begin with /") != std::string::npos);
    CHECK(faults("log_attributes = [{ action = \"index_label\", attributes = [\"a\"] }]\n", true)
              .find("only supported for resource_attributes") != std::string::npos);
    CHECK(faults("scope_attributes = [{ action = \"drop\" }]\n", true).find("either attributes or regex") !=
          std::string::npos);
    CHECK(faults("scope_attributes = [{ regex = \"(\" }]\n", true).find("missing closing )") != std::string::npos);
  }
}

}  // namespace agent
