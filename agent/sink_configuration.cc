#include "agent/sink_configuration.h"

#include "agent/sink/push_request.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/version.h"
#include "pipeline/model/label_set.h"

namespace agent {

using pipeline::concat;
using pipeline::ConfigTable;
using namespace std::chrono_literals;

namespace {
constexpr uint64_t kSmallestBatch = 1 << 10, kLargestBatch = 64 << 20;  // a server takes bodies up to 100 MiB
constexpr int64_t kMostInFlight = 64;
constexpr uint64_t kSmallestDeadLetters = 1 << 20;

Compression read_compression(const ConfigTable& table) {
  std::string name = table.choice("compression", "auto", {"auto", "snappy", "gzip"});
  if (name == "gzip") return Compression::kGzip;
  if (name == "snappy") return Compression::kSnappy;
  return Compression::kAuto;
}

RetryOptions read_retry(const ConfigTable& table) {
  RetryOptions retry;
  retry.min = table.duration("min", retry.min);
  retry.max = table.duration("max", retry.max);
  retry.max_retries = static_cast<uint64_t>(table.integer("max_retries", 0, 0));
  retry.max_age = table.duration("max_age", retry.max_age);
  if (retry.min <= 0s) table.error_at("min", "the shortest wait must be longer than 0", "for example \"500ms\"");
  if (retry.max < retry.min) table.error_at("max", "the longest wait is shorter than the shortest", "raise max");
  return retry;
}

SinkAuth read_auth(const ConfigTable& table) {
  SinkAuth auth{table.string("username"), table.string("password_file"), table.string("bearer_token_file")};
  if (!auth.bearer_token_file.empty() && !auth.username.empty())
    table.error_at("bearer_token_file", "both username and bearer_token_file are given", "keep one of them");
  if (auth.username.empty() && !auth.password_file.empty())
    table.error_at("password_file", "a password without a username", "add username");
  return auth;
}

SinkTls read_tls(const ConfigTable& table) {
  SinkTls tls{table.string("ca_file"), table.string("cert_file"), table.string("key_file"),
              table.string("server_name")};
  if (tls.cert_file.empty() != tls.key_file.empty())
    table.error_at(tls.cert_file.empty() ? "key_file" : "cert_file", "a certificate and its key belong together",
                   "give both cert_file and key_file");
  return tls;
}

DeadLetterOptions read_dead_letter(const ConfigTable& table) {
  DeadLetterOptions options;
  options.dir = table.string("dir");
  options.limit_bytes = table.size("limit", options.limit_bytes);
  if (options.dir.empty() && table.has("limit"))
    table.error_at("limit", "a limit without a folder", "add dir, for example \"/var/lib/skidway-agent/dead\"");
  if (options.limit_bytes < kSmallestDeadLetters)
    table.error_at("limit", concat(options.limit_bytes, " bytes hold hardly a batch"), "give at least \"1MiB\"");
  return options;
}

SpoolOptions read_spool(const ConfigTable& table, uint64_t batch_bytes) {
  SpoolOptions spool;
  std::string mode = table.choice("mode", "outage", {"off", "outage", "always"});
  if (mode == "off") spool.mode = SpoolMode::kOff;
  if (mode == "always") spool.mode = SpoolMode::kAlways;
  spool.limit_bytes = table.size("limit", spool.limit_bytes);
  if (spool.limit_bytes < 4 * batch_bytes)
    table.error_at("limit", concat(spool.limit_bytes, " bytes are less than four batches (batch_bytes)"),
                   "the default is \"1GiB\"; without a spool, say mode = \"off\"");
  spool.max_age = table.duration("max_age", spool.max_age);
  if (spool.max_age < 0s) table.error_at("max_age", "must not be negative", "\"0s\" keeps batches for ever");
  if (table.choice("when_full", "pause", {"pause", "drop_oldest"}) == "drop_oldest")
    spool.when_full = SpoolWhenFull::kDropOldest;
  return spool;
}

void check_url(const ConfigTable& table, std::string_view key, const std::string& url, std::string_view example) {
  bool web = url.starts_with("http://") || url.starts_with("https://");
  if (!url.empty() && (!web || host_of(url).empty()))
    table.error_at(key, concat("\"", url, "\" is not an http or https URL"), concat("for example \"", example, "\""));
}

void read_urls(const ConfigTable& table, SinkOptions& sink) {
  constexpr std::string_view kExample = "http://127.0.0.1:3100/loki/api/v1/push";
  sink.url = table.required_string("url");
  check_url(table, "url", sink.url, kExample);
  sink.failover_urls = table.strings("failover_urls");
  for (const std::string& url : sink.failover_urls) check_url(table, "failover_urls", url, kExample);
  sink.hedge = table.boolean("hedge", false);
  if (sink.hedge && sink.failover_urls.empty())
    table.error_at("hedge", "there is no second URL to ask", "add failover_urls, or remove hedge");
  sink.proxy_url = table.string("proxy_url");
  check_url(table, "proxy_url", sink.proxy_url, "http://proxy.example.com:3128");
  sink.no_proxy = table.string("no_proxy");
  if (sink.proxy_url.empty() && !sink.no_proxy.empty())
    table.error_at("no_proxy", "no_proxy without proxy_url", "add proxy_url, or set NO_PROXY in the environment");
}

void read_loki(const ConfigTable& table, SinkOptions& sink) {
  read_urls(table, sink);
  sink.user_agent = concat("skidway-agent/", pipeline::version_number());
  sink.tenant = table.string("tenant");
  sink.batch_bytes = table.size("batch_bytes", sink.batch_bytes);
  if (sink.batch_bytes < kSmallestBatch || sink.batch_bytes > kLargestBatch)
    table.error_at("batch_bytes", concat(sink.batch_bytes, " bytes is not between 1KiB and 64MiB"),
                   "the default is \"1MiB\"");
  sink.batch_wait = table.duration("batch_wait", sink.batch_wait);
  sink.max_in_flight = static_cast<uint64_t>(table.integer("max_in_flight", 4, 1, kMostInFlight));
  sink.compression = read_compression(table);
  sink.timeout = table.duration("timeout", sink.timeout);
  if (sink.timeout < 1ms) table.error_at("timeout", "must be at least 1ms", "the default is \"10s\"");
  sink.retry = read_retry(table.table("retry"));
  sink.spool = read_spool(table.table("spool"), sink.batch_bytes);
  sink.tls = read_tls(table.table("tls"));
  sink.auth = read_auth(table.table("auth"));
  sink.dead_letter = read_dead_letter(table.table("dead_letter"));
}
}  // namespace

std::map<std::string, std::string> read_labels(const ConfigTable& table, std::string_view key) {
  std::map<std::string, std::string> labels;
  for (auto& [name, value] : table.string_map(key)) {
    if (!pipeline::is_label_name(name))
      table.error_at(key, concat("\"", name, "\" is not a label name"),
                     "use letters, digits and _, and begin with no digit");
    labels[name] = value;
  }
  return labels;
}

SinkOptions read_sink(const ConfigTable& table) {
  SinkOptions sink;
  sink.name = table.required_string("name");
  std::string type = table.choice("type", "", {"loki", "stdout", "discard"});
  sink.labels = read_labels(table, "labels");
  if (type == "stdout") {
    sink.type = SinkType::kStdout;
  } else if (type == "discard") {
    sink.type = SinkType::kDiscard;
  } else if (type == "loki") {
    read_loki(table, sink);
  } else {
    if (!table.has("type")) table.error("a sink without a type", "add type = \"loki\", \"stdout\" or \"discard\"");
    table.ignore_rest();
  }
  return sink;
}

}  // namespace agent
