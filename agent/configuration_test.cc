#include "agent/configuration.h"

#include <doctest/doctest.h>

#include "pipeline/match/relabel.h"
#include "pipeline/stage/stage_list.h"

namespace agent {
namespace {

using namespace std::chrono_literals;

pipeline::ConfigDocument::Environment environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    if (name == "NODE_NAME") return "node-7";
    return std::nullopt;
  };
}

auto parse(std::string_view text, Needs needs = Needs::kSinks) {
  return parse_configuration(text, "agent.toml", needs, environment());
}

// A whole configuration around one source's and one sink's extra keys.
std::string with(std::string_view source, std::string_view sink = "", std::string_view top = "") {
  return pipeline::concat(top, "\n[[source]]\nname = \"s\"\n", source, "\n[[sink]]\nname = \"k\"\n",
                          sink.empty() ? "type = \"discard\"" : sink, "\n");
}
std::string with_sink(std::string_view sink) {
  return with("type = \"stdin\"", pipeline::concat("type = \"loki\"\nurl = \"http://h/push\"\n", sink));
}

std::string message(std::string_view text) {
  auto configuration = parse(text);
  return configuration ? "" : configuration.error().message;
}

TEST_SUITE("agent") {
  TEST_CASE("configuration: every key has its place") {
    auto c = parse(R"(
data_dir = "/data"
memory_limit = "32MiB"
hold_deleted_bytes = "2GiB"
workers = 2
[http]
listen = "127.0.0.1:1"
[[source]]
name = "pods"
type = "kubernetes"
path = "/pods"
node = "${NODE_NAME}"
api = "none"
attach_metadata = { node = false, namespace = false }
sinks = ["backup"]
labels = { cluster = "c" }
start_at = "end"
exclude = ["/pods/kube-system_*/**"]
max_line_size = "64KiB"
[[source.relabel]]
source_labels = ["__meta_kubernetes_pod_name"]
target_label = "app"
[[source.stage]]
type = "json"
expressions = { level = "" }
[[source]]
name = "host"
type = "file"
path = "/var/log/*.log"
[[source]]
name = "in"
type = "stdin"
[[sink]]
name = "hub"
type = "loki"
url = "https://logs.example.com/loki/api/v1/push"
tenant = "team-a"
labels = { site = "a" }
batch_bytes = "512KiB"
batch_wait = "2s"
max_in_flight = 8
compression = "gzip"
timeout = "5s"
retry = { min = "1s", max = "1m", max_retries = 3, max_age = "1h" }
spool = { mode = "always", limit = "2GiB", max_age = "2d", when_full = "drop_oldest" }
tls = { ca_file = "/ca", cert_file = "/c", key_file = "/k", server_name = "n" }
auth = { username = "u", password_file = "/p" }
failover_urls = ["https://logs2.example.com/loki/api/v1/push"]
hedge = true
proxy_url = "http://proxy:3128"
no_proxy = "localhost"
dead_letter = { dir = "/dead", limit = "10MiB" }
[[sink]]
name = "backup"
type = "stdout"
)");
    INFO((c ? "" : c.error().message));
    REQUIRE(c);
    CHECK(c->data_dir == "/data");
    CHECK(c->memory_limit_bytes == 32 << 20);
    CHECK(c->hold_deleted_bytes == uint64_t{2} << 30);
    CHECK(c->workers == 2);
    CHECK(c->http_listen == "127.0.0.1:1");
    REQUIRE(c->sources.size() == 3);
    const SourceOptions& pods = *c->sources[0];
    CHECK(pods.type == SourceType::kKubernetes);
    CHECK(pods.paths == std::vector<std::string>{"/pods"});
    CHECK(pods.node == "node-7");
    CHECK(pods.sinks == std::vector<size_t>{1});
    CHECK(pods.labels.at("cluster") == "c");
    CHECK(pods.start_at == StartAt::kEnd);
    CHECK(pods.excludes.size() == 1);
    CHECK(pods.max_line_bytes == 64 << 10);
    CHECK(!pods.relabel->empty());
    CHECK(pods.stages->size() == 2);  // the runtime's format, and json
    CHECK(c->sources[1]->sinks == std::vector<size_t>{0, 1});
    CHECK(c->sources[1]->stages->empty());
    CHECK(c->sources[2]->stream_type == "stdin");
    const SinkOptions& hub = c->sinks[0];
    CHECK(hub.tenant == "team-a");
    CHECK(hub.user_agent.starts_with("skidway-agent/"));
    CHECK(hub.labels.at("site") == "a");
    CHECK(hub.batch_bytes == 512 << 10);
    CHECK(hub.batch_wait == 2s);
    CHECK(hub.max_in_flight == 8);
    CHECK(hub.compression == Compression::kGzip);
    CHECK(hub.timeout == 5s);
    CHECK(hub.spool == SpoolOptions{SpoolMode::kAlways, uint64_t{2} << 30, 48h, SpoolWhenFull::kDropOldest});
    CHECK(hub.retry.min == 1s);
    CHECK(hub.retry.max == 1min);
    CHECK(hub.retry.max_retries == 3);
    CHECK(hub.retry.max_age == 1h);
    CHECK(hub.tls.server_name == "n");
    CHECK(hub.auth.password_file == "/p");
    CHECK(hub.failover_urls == std::vector<std::string>{"https://logs2.example.com/loki/api/v1/push"});
    CHECK(hub.hedge);
    CHECK(hub.proxy_url == "http://proxy:3128");
    CHECK(hub.no_proxy == "localhost");
    CHECK(hub.dead_letter == DeadLetterOptions{"/dead", 10 << 20});
    CHECK(c->sinks[1].type == SinkType::kStdout);
  }

  TEST_CASE("configuration: a source that names its runtime's format gets no other") {
    auto c = parse(with("type = \"kubernetes\"\n[[source.stage]]\ntype = \"docker\"\n"));
    REQUIRE(c);
    CHECK(c->sources[0]->stages->size() == 1);
    CHECK(c->sources[0]->paths == std::vector<std::string>{"/var/log/pods"});
  }

  TEST_CASE("configuration: a source type that does not exist is told with those that do") {
    std::string text = message(with("type = \"jurnal\""));
    CHECK(message("[[source]]\nname = \"a\"\n[[sink]]\nname = \"o\"\ntype = \"stdout\"\n")
              .find("a source without a type; add type = \"kubernetes\", \"file\"") != std::string::npos);
    CHECK(text.find("there is no source type \"jurnal\"; use \"kubernetes\", \"file\"") != std::string::npos);
  }

  TEST_CASE("configuration: says what is wrong, where, and what to do") {
    struct Case {
      std::string text, message;
    };
    const Case cases[] = {
        {with("type = \"stdin\"", "", "data_dri = \"/x\""),
         "agent.toml:1:1: unknown key \"data_dri\"; did you mean \"data_dir\"?"},
        {with("type = \"stdin\"", "", "data_dir = \"\""),
         "agent.toml:1:12: no folder; for example \"/var/lib/skidway-agent\""},
        {with("type = \"stdin\"", "", "memory_limit = \"1KiB\""),
         "agent.toml:1:16: 1024 bytes is less than 4MiB; the default is \"64MiB\""},
        {with("type = \"stdin\"", "", "http = { listen = \"127.0.0.1:99999\" }"),
         "agent.toml:1:19: \"127.0.0.1:99999\" is not HOST:PORT with a port up to 65535; for example "
         "\"127.0.0.1:9080\""},
        {with("type = \"file\""), "agent.toml:2:1: no path; for example path = [\"/var/log/*.log\"]"},
        {with("type = \"file\"\npath = \"logs/*.log\""),
         "agent.toml:5:8: \"logs/*.log\" is not an absolute path; begin with /"},
        {with("type = \"kubernetes\"\napi = { server = \"10.0.0.1\" }"),
         "agent.toml:5:18: \"10.0.0.1\" is no address of a server; for example https://10.0.0.1:6443"},
        {with("type = \"kubernetes\"\napi = { server = \"\" }"),
         "agent.toml:5:18: no server, and KUBERNETES_SERVICE_HOST is not set; for example server = "
         "\"https://10.0.0.1:6443\""},
        {with("type = \"kubernetes\"\napi = \"none\"\nattach_metadata = { node = true }"),
         "agent.toml:6:28: attach_metadata.node without an API to ask; remove it, or api = \"none\""},
        {with("type = \"kubernetes\"\npipeline = \"nginx\""),
         "agent.toml:5:12: pipeline needs the annotations of pods, and nobody is asked about them; add api or kubelet, "
         "or remove it"},
        {with("type = \"kubernetes\"\napi = { server = \"http://a\" }\nkubelet = {}"),
         "agent.toml:6:11: both kubelet and api are to be asked about pods; keep one of them"},
        {with("type = \"kubernetes\"\napi = { server = \"http://a\" }\nnode = \"a,b\""),
         "agent.toml:6:8: \"a,b\" is no name of a node; letters, digits, - and ."},
        {with("type = \"stdin\"\nsinks = [\"hub\"]"),
         "agent.toml:5:9: no sink is called \"hub\"; name one of the [[sink]] tables"},
        {with("type = \"stdin\"\nsinks = []"),
         "agent.toml:5:9: the entries of this source go nowhere; name a sink, or remove sinks: then they go to all"},
        {with("type = \"file\"\npath = [\"/var/log/*.log\", \"/var/log/[a\"]"),
         "agent.toml:5:8: syntax error in pattern \"/var/log/[a\"; a [ or { without its end; \\[ and \\{ are the "
         "characters themselves"},
        {with("type = \"kubernetes\"\nexclude = [\"/var/log/pods/{a\"]"),
         "agent.toml:5:11: syntax error in pattern \"/var/log/pods/{a\"; a [ or { without its end; \\[ and \\{ are the "
         "characters themselves"},
        {with("type = \"stdin\"\nlabels = { \"a-b\" = \"x\" }"),
         "agent.toml:5:10: \"a-b\" is not a label name; use letters, digits and _, and begin with no digit"},
        {with_sink("spool = { mode = \"maybe\" }"),
         "agent.toml:9:18: \"mode\" must be one of off, outage, always, got \"maybe\""},
        {with_sink("spool = { limit = \"1MiB\" }"),
         "agent.toml:9:19: 1048576 bytes are less than four batches (batch_bytes); the default is \"1GiB\"; without a "
         "spool, say mode = \"off\""},
        {with_sink("compression = \"lz4\""),
         "agent.toml:9:15: \"compression\" must be one of auto, snappy, gzip, got \"lz4\""},
        {with_sink("batch_bytes = 10"),
         "agent.toml:9:15: 10 bytes is not between 1KiB and 64MiB; the default is \"1MiB\""},
        {with_sink("retry = { min = \"1m\", max = \"1s\" }"),
         "agent.toml:9:29: the longest wait is shorter than the shortest; raise max"},
        {with_sink("auth = { username = \"u\", bearer_token_file = \"/t\" }"),
         "agent.toml:9:46: both username and bearer_token_file are given; keep one of them"},
        {with_sink("hedge = true"),
         "agent.toml:9:9: there is no second URL to ask; add failover_urls, or remove hedge"},
        {with_sink("failover_urls = [\"nonsense\"]"),
         "agent.toml:9:17: \"nonsense\" is not an http or https URL; for example "
         "\"http://127.0.0.1:3100/loki/api/v1/push\""},
        {with_sink("no_proxy = \"a\""),
         "agent.toml:9:12: no_proxy without proxy_url; add proxy_url, or set NO_PROXY in the environment"},
        {with_sink("dead_letter = { limit = \"1GiB\" }"),
         "agent.toml:9:25: a limit without a folder; add dir, for example \"/var/lib/skidway-agent/dead\""},
        {with_sink("tls = { cert_file = \"/c\" }"),
         "agent.toml:9:21: a certificate and its key belong together; give both cert_file and key_file"},
        {with("type = \"stdin\"", "type = \"loki\"\nurl = \"localhost:3100\""),
         "agent.toml:8:7: \"localhost:3100\" is not an http or https URL; for example "
         "\"http://127.0.0.1:3100/loki/api/v1/push\""},
        {with("type = \"stdin\"") + "[[sink]]\nname = \"k\"\ntype = \"discard\"\n",
         "agent.toml:9:8: two sinks are called \"k\", the other one at agent.toml:5:1; give each its own name"},
        {with("type = \"stdin\"") + "[[source]]\nname = \"s2\"\ntype = \"stdin\"\n",
         "agent.toml:10:8: two sources read standard input; keep one of them"},
        {"[[source]]\nname = \"s\"\ntype = \"stdin\"\n",
         "agent.toml:1:1: no [[sink]]; add one, so that entries have somewhere to go"},
        {"[[sink]]\nname = \"s\"\ntype = \"discard\"\n",
         "agent.toml:1:1: no [[source]]; add one, so that there is something to read"},
        {with("type = \"stdin\"", "labels = {}"),
         "agent.toml:5:1: a sink without a type; add type = \"loki\", \"stdout\" or \"discard\""},
    };
    for (const Case& c : cases) CHECK(message(c.text) == c.message);
  }

  TEST_CASE("configuration: all errors are told at once") {
    std::string text = message(with("type = \"file\"\npath = \"x\"\ncolour = 1\n[[source.stage]]\ntype = \"jsn\"\n",
                                    "type = \"loki\"\nurl = \"\"\ntimeout = 5\n"));
    CHECK(std::count(text.begin(), text.end(), '\n') == 4);
    for (const char* part : {"not an absolute path", "unknown key \"colour\"", "jsn", "\"url\"", "\"timeout\""})
      CHECK(text.find(part) != std::string::npos);
  }

  TEST_CASE("configuration: a sink without a spool beside others of a source that is no file is worth a caution") {
    auto caution = [](const std::string& source, const std::string& first, const std::string& second) {
      const std::string sink = "type = \"loki\"\nurl = \"http://h/push\"\n";
      auto c = parse(with(source, sink + first) + "[[sink]]\nname = \"l\"\n" + (second.empty() ? sink : second) + "\n");
      REQUIRE(c);
      auto all = cautions(*c);
      return all.empty() ? "" : all[0];
    };
    const std::string net = "type = \"syslog\"\nlisten = [\"udp://127.0.0.1:1514\"]";
    const std::string off = "spool = { mode = \"off\" }";
    CHECK(caution(net, off, "").starts_with("source \"s\" has several sinks, and \"k\" no spool: "));
    CHECK(caution("type = \"stdin\"", off, "type = \"discard\"").find("\"k\" no spool") != std::string::npos);
    CHECK(caution(net, "", "") == "");
    CHECK(caution(net, "spool = { mode = \"always\" }", "type = \"discard\"") == "");
    CHECK(caution(net + "\nsinks = [\"k\"]", off, "") == "");
    CHECK(caution("type = \"journal\"", off, "") == "");  // is read again
    CHECK(caution("type = \"docker\"", off, "") == "");
    CHECK(caution("type = \"kubernetes_events\"\napi = { server = \"http://h\" }", off, "") == "");
    CHECK(caution("type = \"file\"\npath = \"/var/log/*.log\"", off, "") == "");
  }

  TEST_CASE("configuration: tests need no sink") {
    CHECK(parse("[[source]]\nname = \"t\"\ntype = \"stdin\"\n", Needs::kSourcesOnly));
  }

  TEST_CASE("configuration: bad TOML and a missing file name the place") {
    CHECK(message("a = [").starts_with("agent.toml:1:"));
    auto missing = load_configuration("/nonexistent/agent.toml", Needs::kSinks);
    REQUIRE(!missing);
    CHECK(missing.error().message.find("/nonexistent/agent.toml") != std::string::npos);
  }
}

}  // namespace
}  // namespace agent
