#include "server/settings.h"

#include <algorithm>
#include <limits>

#include "pipeline/base/concat.h"
#include "server/erase/retention_rules.h"

namespace server {

using pipeline::concat;
using pipeline::ConfigDocument;
using pipeline::ConfigTable;
using pipeline::Result;

namespace {

constexpr std::chrono::milliseconds kPauseOfPushes{1'000};
constexpr std::chrono::nanoseconds kDefaultRetention = std::chrono::hours(30 * 24);

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

void read_http(ConfigTable http, Settings& settings) {
  settings.listen = http.string("listen", settings.listen);
  if (settings.listen.rfind(':') == std::string::npos)
    http.error_at("listen", concat("\"", settings.listen, "\" has no port"),
                  "write HOST:PORT, for example 127.0.0.1:3100");
  ConfigTable tls = http.table("tls");
  if (!tls.present()) return;
  settings.tls.cert_file = tls.required_string("cert_file");
  settings.tls.key_file = tls.required_string("key_file");
  settings.tls.client_ca_file = tls.string("client_ca_file");
}

// The path of a `scheme` URL; other schemes that will come are named as such.
std::string read_url(ConfigTable table, std::string_view scheme, const std::string& otherwise, std::string_view later) {
  std::string url = table.string("url", concat(scheme, "://", otherwise));
  std::string prefix = concat(scheme, "://");
  if (url.starts_with(prefix) && url.size() > prefix.size()) return without_trailing_slash(url.substr(prefix.size()));
  std::string remedy = concat("write ", prefix, "/absolute/path");
  if (url.starts_with(concat(later, "://")) || (later == "postgres" && url.starts_with("postgresql://"))) {
    table.error_at("url", concat(later, "://... is not supported yet"), remedy);
    table.ignore_rest();
  } else {
    table.error_at("url", concat("\"", url, "\" is not a ", prefix, " URL"), remedy);
  }
  return otherwise;
}

void read_ingest(ConfigTable table, IngestOptions& ingest) {
  if (table.choice("ack", "disk", {"disk", "s3"}) == "s3") ingest.ack = AckMode::kStore;
  auto milliseconds = [&](std::string_view key, std::chrono::milliseconds otherwise) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(table.duration(key, otherwise));
  };
  ingest.flush.interval = milliseconds("flush_interval", ingest.flush.interval);
  if (ingest.flush.interval < std::chrono::milliseconds(10))
    table.error_at("flush_interval", "flush_interval must be at least 10ms");
  ingest.flush.bytes = table.size("flush_bytes", ingest.flush.bytes);
  ingest.push.budget_bytes = table.size("memory_limit", ingest.push.budget_bytes);
  if (ingest.push.budget_bytes < 2 * ingest.flush.bytes)
    table.error_at("memory_limit", "memory_limit is below twice flush_bytes",
                   "one half is flushed while the other fills");
  ingest.segment_bytes = table.size("wal_segment_bytes", ingest.segment_bytes);
  ingest.push.hold = ingest.objects.patience = milliseconds("max_hold", ingest.push.hold);
  ingest.objects.linger = milliseconds("linger", std::min(ingest.objects.linger, ingest.push.hold));
  if (ingest.objects.linger > ingest.push.hold) table.error_at("linger", "linger is above max_hold");
  ingest.objects.bytes = table.size("linger_bytes", ingest.objects.bytes);
  ingest.workers = static_cast<size_t>(table.integer("workers", static_cast<int64_t>(ingest.workers), 1, 256));
}

void read_syslog(ConfigTable table, SyslogOptions& syslog) {
  syslog.listen = table.string("listen", syslog.listen);
  if (!syslog.listen.empty() && syslog.listen.rfind(':') == std::string::npos)
    table.error_at("listen", concat("\"", syslog.listen, "\" has no port"),
                   "write HOST:PORT, for example 127.0.0.1:1514");
  syslog.tenant = table.string("tenant", syslog.tenant);
  syslog.max_message_bytes = table.size("max_message_size", syslog.max_message_bytes);
}

void read_compaction(ConfigTable table, Settings& settings) {
  CompactorOptions& compaction = settings.compaction;
  auto seconds = [&](std::string_view key, std::chrono::seconds otherwise) {
    return std::chrono::duration_cast<std::chrono::seconds>(table.duration(key, otherwise));
  };
  compaction.background = table.boolean("background", compaction.background);
  compaction.interval =
      std::chrono::duration_cast<std::chrono::milliseconds>(table.duration("interval", compaction.interval));
  if (compaction.interval < std::chrono::milliseconds(10)) table.error_at("interval", "interval must be at least 10ms");
  compaction.merge.with_filter = table.boolean("substring_filter", compaction.merge.with_filter);
  compaction.garbage.grace = seconds("grace", compaction.garbage.grace);
  compaction.garbage.orphan_age = seconds("orphan_age", compaction.garbage.orphan_age);
  if (compaction.garbage.orphan_age < std::chrono::minutes(1))
    table.error_at("orphan_age", "orphan_age must be at least 1m", "younger objects may be about to be committed");
  compaction.orphan_interval = std::min(compaction.orphan_interval, compaction.garbage.orphan_age);
  compaction.deletes.keep_request = compaction.garbage.orphan_age + compaction.orphan_interval;
  compaction.collect_interval = seconds("collect_interval", compaction.collect_interval);
  settings.compaction_share = table.number("cpu_share", settings.compaction_share);
  if (settings.compaction_share <= 0 || settings.compaction_share > 1)
    table.error_at("cpu_share", "cpu_share must be above 0 and at most 1", "1 is all processors");
  compaction.processors = settings.compaction_share * static_cast<double>(usable_processors());
}

void read_query(ConfigTable table, Settings& settings) {
  settings.queries.memory_limit = table.size("memory_limit", settings.queries.memory_limit);
  settings.compress_answers = table.boolean("compress_responses", settings.compress_answers);
  QueryScheduler::Options& threads = settings.query_threads;
  auto count = [&](std::string_view key, size_t otherwise, int64_t most) {
    return static_cast<size_t>(table.integer(key, static_cast<int64_t>(otherwise), 1, most));
  };
  threads.slots = count("threads", usable_processors(), 256);
  threads.max_running = count("max_running", threads.max_running, 1024);
  threads.max_waiting_per_tenant =
      count("max_outstanding_per_tenant", threads.max_waiting_per_tenant, std::numeric_limits<int32_t>::max());
}

// Returns the period of tenants of which the limits say nothing else.
std::chrono::nanoseconds read_retention(ConfigTable table, CompactorOptions& compaction) {
  compaction.expiry.max_bytes = table.size("max_bytes", compaction.expiry.max_bytes);
  compaction.expiry.min_age = table.duration("min_age", compaction.expiry.min_age);
  compaction.deletes.cancel_period = table.duration("delete_cancel_period", compaction.deletes.cancel_period);
  return table.duration("period", kDefaultRetention);
}

// Selectors are LogQL, which the limits' room does not know.
Result<void> check_retention(const LimitSettings& limits) {
  auto check = [](const TenantLimits& of, std::string_view where) -> Result<void> {
    auto rules = RetentionRules::compile({of.retention_period, of.retention_stream});
    if (rules) return {};
    return pipeline::fail(pipeline::Errc::kInvalid, concat(where, ".retention_stream: ", rules.error().message,
                                                           "; write a selector like {app=\"x\"}"));
  };
  TRY(check(limits.set.defaults, "limits"));
  for (const auto& [tenant, of] : limits.set.tenants) TRY(check(of, concat("limits.tenant.", tenant)));
  return {};
}

Settings read_settings(ConfigTable root) {
  Settings settings;
  settings.data_dir = without_trailing_slash(root.string("data_dir", settings.data_dir));
  if (settings.data_dir.empty()) root.error_at("data_dir", "is empty", "name a folder");
  read_http(root.table("http"), settings);
  settings.tenancy = root.table("tenancy").choice("mode", "single", {"single", "header"}) == "header"
                         ? TenancyMode::kHeader
                         : TenancyMode::kSingle;
  settings.store = read_store(root.table("store"), concat(settings.data_dir, "/store"));
  settings.cache = read_cache(root.table("cache"), concat(settings.data_dir, "/cache"),
                              settings.store.s3 ? StoreKind::kBucket : StoreKind::kLocal);
  settings.catalog_file =
      read_url(root.table("catalog"), "sqlite", concat(settings.data_dir, "/catalog.db"), "postgres");
  settings.ingest.wal_folder = concat(settings.data_dir, "/wal");
  read_ingest(root.table("ingest"), settings.ingest);
  // While a push waits for the store, the store is asked often enough to hear that it is well again.
  if (settings.ingest.ack == AckMode::kStore && settings.store.s3) settings.store.s3->longest_pause = kPauseOfPushes;
  read_syslog(root.table("syslog"), settings.syslog);
  read_compaction(root.table("compaction"), settings);
  TenantLimits defaults;
  defaults.retention_period = read_retention(root.table("retention"), settings.compaction);
  settings.limits = read_limit_settings(root.table("limits"), std::move(defaults));
  read_query(root.table("query"), settings);
  return settings;
}

Result<Settings> checked(ConfigDocument document) {
  Settings settings = read_settings(document.root());
  TRY(document.finish());
  TRY(check_retention(settings.limits));
  return settings;
}

}  // namespace

Settings default_settings() { return *parse_settings("", "defaults"); }

Result<Settings> load_settings(const std::string& path) {
  TRY_LET(auto document, ConfigDocument::load(path));
  TRY_LET(Settings settings, checked(std::move(document)));
  settings.config_file = path;
  return settings;
}

Result<Settings> parse_settings(std::string_view text, std::string name) {
  TRY_LET(auto document, ConfigDocument::parse(text, std::move(name)));
  return checked(std::move(document));
}

}  // namespace server
