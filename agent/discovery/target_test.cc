#include "agent/discovery/target.h"

#include <doctest/doctest.h>

#include "agent/discovery/discovery.h"
#include "agent/discovery/path_rules.h"
#include "agent/source/testing/temp_folder.h"
#include "pipeline/match/relabel.h"

using namespace agent;
using pipeline::RelabelConfig;
using pipeline::RelabelRule;
using pipeline::RelabelRules;

namespace {
SourceOptions pods() {
  SourceOptions options;
  options.name = "pods";
  options.type = SourceType::kKubernetes;
  options.paths = {"/var/log/pods"};
  return options;
}

std::shared_ptr<const RelabelRules> rules(std::vector<RelabelConfig> configs) {
  std::vector<RelabelRule> all;
  for (const RelabelConfig& config : configs) {
    auto rule = RelabelRule::compile(config);
    REQUIRE(rule.has_value());
    all.push_back(*std::move(rule));
  }
  return std::make_shared<const RelabelRules>(std::move(all));
}
const char* kPodLog = "/var/log/pods/shop_web-7d_0b1c-22/nginx/3.log";
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: a container's log path says namespace, pod, uid and container") {
    auto log = PodLogPath::parse("/var/log/pods", kPodLog);
    REQUIRE(log.has_value());
    CHECK(log->namespace_name == "shop");
    CHECK(log->pod_name == "web-7d");
    CHECK(log->pod_uid == "0b1c-22");
    CHECK(log->container_name == "nginx");
    CHECK_FALSE(log->rotated);
    log = PodLogPath::parse("/var/log/pods", "/var/log/pods/a_b_c/d/0.log.20260101-120000");
    REQUIRE(log.has_value());
    CHECK(log->rotated);
    CHECK(log->live_file_name == "0.log");
    for (const char* other :
         {"/var/log/pods/a_b_c/d/0.log.20260101-120000.gz", "/var/log/pods/a_b_c/d/x.log", "/var/log/pods/a_b/d/0.log",
          "/var/log/pods/a_b_c/0.log", "/var/log/pods/a_b_c/d/e/0.log", "/var/log/pods2/a_b_c/d/0.log",
          "/var/log/pods/a_b_c/d/0.log.tmp", "/var/log/pods", "/var/log/pods/a_b_c/d/.log"}) {
      CAPTURE(other);
      CHECK_FALSE(PodLogPath::parse("/var/log/pods", other).has_value());
    }
  }

  TEST_CASE("discovery: kubernetes files lie three levels deep and rotate within a lineage") {
    auto compiled = PathRules::compile(pods());
    REQUIRE(compiled.has_value());
    CHECK(compiled->folders() == std::vector<std::string>{"/var/log/pods"});
    CHECK(compiled->may_match_below("/var/log/pods"));
    CHECK(compiled->may_match_below("/var/log/pods/a_b_c/d"));
    CHECK_FALSE(compiled->may_match_below("/var/log/pods/a_b_c/d/e"));
    CHECK_FALSE(compiled->may_match_below("/var/log/podsx"));
    CHECK(compiled->lineage("/var/log/pods/a_b_c/d/0.log.20260101-120000") == "/var/log/pods/a_b_c/d/0.log");
    CHECK(compiled->is_rotated_name("/var/log/pods/a_b_c/d/0.log.20260101-120000"));
  }

  TEST_CASE("discovery: globs select files, exclusions take them away") {
    SourceOptions options;
    options.paths = {"/var/log/*.log", "/srv/**/app.log"};
    options.excludes = {"/var/log/secret*"};
    auto compiled = PathRules::compile(options);
    REQUIRE(compiled.has_value());
    CHECK(compiled->matches("/var/log/a.log"));
    CHECK_FALSE(compiled->matches("/var/log/secret.log"));
    CHECK(compiled->matches("/srv/x/y/app.log"));
    CHECK(compiled->may_match_below("/srv/x/y"));
    CHECK_FALSE(compiled->may_match_below("/var/log/x"));
    options.paths = {"/var/log/[a"};
    CHECK_FALSE(PathRules::compile(options).has_value());
  }

  TEST_CASE("discovery: a pod's target has its labels, no filename, and the source's own labels") {
    SourceOptions options = pods();
    options.node = "n1";
    options.labels = {{"cluster", "prod"}};
    Target target = make_target(options, kPodLog);
    CHECK(target.state == "active");
    CHECK(target.labels.text() ==
          R"({cluster="prod", container="nginx", namespace="shop", pod="web-7d", uid="0b1c-22"})");
    CHECK(target.discovered.get("__meta_kubernetes_pod_name") == "web-7d");
    CHECK(target.discovered.get("__meta_kubernetes_namespace") == "shop");
    CHECK(target.discovered.get("__meta_kubernetes_pod_uid") == "0b1c-22");
    CHECK(target.discovered.get("__meta_kubernetes_pod_container_name") == "nginx");
    CHECK(target.discovered.get("__meta_kubernetes_pod_node_name") == "n1");
    CHECK(target.discovered.get("__path__") == kPodLog);
  }

  TEST_CASE("discovery: a plain file has its name as a label") {
    SourceOptions options;
    options.name = "host";
    CHECK(make_target(options, "/var/log/a.log").labels.text() == R"({filename="/var/log/a.log"})");
  }

  TEST_CASE("discovery: relabelling sees the discovery labels and may drop the target") {
    SourceOptions options = pods();
    RelabelConfig app;
    app.source_labels = {"__meta_kubernetes_namespace", "__meta_kubernetes_pod_container_name"};
    app.separator = "/";
    app.target_label = "job";
    RelabelConfig no_uid;
    no_uid.action = "labeldrop";
    no_uid.regex = "uid|pod";
    options.relabel = rules({app, no_uid});
    CHECK(make_target(options, kPodLog).labels.text() == R"({container="nginx", job="shop/nginx", namespace="shop"})");
    RelabelConfig drop;
    drop.action = "drop";
    drop.source_labels = {"namespace"};
    drop.regex = "shop";
    options.relabel = rules({drop});
    Target target = make_target(options, kPodLog);
    CHECK(target.state == "dropped");
    CHECK(target.reason == "dropped by relabelling");
    RelabelConfig none;
    none.action = "labelkeep";
    none.regex = "nothing";
    options.relabel = rules({none});
    CHECK(make_target(options, kPodLog).reason == "no label is left; a stream needs one");
  }

  TEST_CASE("discovery: targets are listed without reading, also those that are dropped") {
    agent::testing::TempFolder folder;
    folder.make("ns_pod_uid/c");
    folder.append("ns_pod_uid/c/0.log", "x\n");
    folder.append("ns_pod_uid/c/0.log.20260101-120000", "x\n");
    folder.append("ns_pod_uid/c/other", "x\n");
    auto options = std::make_shared<SourceOptions>(pods());
    options->paths = {folder.path()};
    auto targets = scan_targets({options});
    REQUIRE(targets.size() == 2);
    CHECK(targets[0].state == "active");
    CHECK(targets[1].state == "rotated");
  }

  TEST_CASE("discovery: a compressed file that a pattern matches is not called active") {
    agent::testing::TempFolder folder;
    folder.append("app.log", "x\n");
    folder.append("app.log.1.gz", "x\n");
    auto options = std::make_shared<SourceOptions>();
    options->name = "host";
    options->paths = {folder.at("app.log*")};
    auto targets = scan_targets({options});
    REQUIRE(targets.size() == 2);
    CHECK(targets[0].state == "active");
    CHECK(targets[1].state == "dropped");
    CHECK(targets[1].reason == "compressed: read only where it goes on with a file that was read before");
  }

  TEST_CASE("discovery: standard input is a job of its own, as in Promtail") {
    SourceOptions options;
    options.name = "in";
    options.type = SourceType::kStream;
    CHECK(make_stdin_target(options).labels.get("job") == "stdin");
  }

  TEST_CASE("discovery: bytes of a path that are no UTF-8 are written out in labels") {
    SourceOptions options;
    options.name = "host";
    Target target = make_target(options, "/l/\xff\xe2\x82\xac\xe2\x82.log");
    CHECK(target.path == "/l/\xff\xe2\x82\xac\xe2\x82.log");
    CHECK(target.labels.get("filename") == "/l/\\xff\xe2\x82\xac\\xe2\\x82.log");
  }
}
