#include "server/settings_text.h"

#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/base/time_format.h"
#include "pipeline/parse/value_text.h"
#include "server/api/loki_json.h"
#include "server/limits/limit_keys.h"

namespace server {

using pipeline::concat;
using pipeline::prometheus_duration_text;

namespace {

// JSON's strings are TOML's, and YAML's.
std::string quoted(std::string_view text) { return json_text(text); }

std::string list(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += concat(out.size() > 1 ? "," : "", quoted(text));
  return out + "]";
}

std::string truth(bool value) { return value ? "true" : "false"; }

std::string plain(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number, std::chars_format::fixed).ptr};
}

template <class Duration>
std::string duration(Duration value) {
  return quoted(pipeline::format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(value)));
}

std::string key(std::string_view name, const auto& value) { return concat(name, " = ", value, "\n"); }

struct TomlOf {
  const TenantLimits& limits;
  std::string operator()(CountLimit count) const { return std::to_string(limits.*count.member); }
  std::string operator()(SizeLimit size) const { return std::to_string(limits.*size.member); }
  std::string operator()(TimeLimit time) const { return quoted(time_text(limits.*time.member)); }
  std::string operator()(bool TenantLimits::*member) const { return truth(limits.*member); }
  std::string operator()(double TenantLimits::*member) const { return plain(limits.*member); }
  std::string operator()(std::string TenantLimits::*member) const { return quoted(limits.*member); }
  std::string operator()(std::chrono::nanoseconds TenantLimits::*member) const { return duration(limits.*member); }
  std::string operator()(std::vector<std::string> TenantLimits::*member) const { return list(limits.*member); }
  static std::string time_text(pipeline::UnixNanos time) { return time == 0 ? "" : pipeline::format_rfc3339(time); }
};

std::string otlp_rules(const std::vector<OtlpAttributeRule>& rules) {
  std::string out = "[";
  for (const OtlpAttributeRule& rule : rules) {
    out += concat(out.size() > 1 ? ", " : "", "{ action = ", quoted(rule.action),
                  rule.regex.empty() ? concat(", attributes = ", list(rule.attributes))
                                     : concat(", regex = ", quoted(rule.regex)),
                  " }");
  }
  return out + "]";
}

std::string otlp_toml(const OtlpLimits& otlp) {
  return concat("{ severity_text_as_label = ", truth(otlp.severity_text_as_label),
                ", resource_attributes = { ignore_defaults = ", truth(otlp.ignore_defaults),
                ", attributes_config = ", otlp_rules(otlp.resource_attributes),
                " }, scope_attributes = ", otlp_rules(otlp.scope_attributes),
                ", log_attributes = ", otlp_rules(otlp.log_attributes), " }");
}

std::string limits_toml(const TenantLimits& limits) {
  std::string out;
  for (const LimitKey& one : limit_keys()) out += key(one.name, std::visit(TomlOf{limits}, one.member));
  return out + key("otlp_config", otlp_toml(limits.otlp_config));
}

std::string limits_toml(const LimitSettings& settings) {
  std::string out =
      concat("\n[limits]\n", limits_toml(settings.set.defaults), key("overrides_file", quoted(settings.overrides_file)),
             key("overrides_period", duration(settings.overrides_period)));
  for (const auto& [tenant, limits] : settings.set.tenants)
    out += concat("\n[limits.tenant.", quoted(tenant), "]\n", limits_toml(limits));
  return out;
}

// Loki's: "256KB", of 1024 bytes each.
std::string loki_size(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KB", "MB", "GB", "TB"};
  size_t unit = 0;
  for (; unit + 1 < std::size(kUnits) && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
  return quoted(concat(bytes, kUnits[unit]));
}

// As TOML, but for what Loki writes in its own way.
struct LokiTextOf : TomlOf {
  using TomlOf::operator();
  std::string operator()(SizeLimit size) const { return loki_size(limits.*size.member); }
  std::string operator()(std::chrono::nanoseconds TenantLimits::*member) const {
    return quoted(prometheus_duration_text((limits.*member).count()));
  }
};

// Without secrets: what is set shows as stars.
std::string store_toml(const StoreSettings& store) {
  if (!store.s3) return concat("\n[store]\n", key("url", quoted(concat("file://", store.folder))));
  const S3Options& s3 = *store.s3;
  auto secret = [](std::string_view value) { return quoted(value.empty() ? "" : "****"); };
  return concat(
      "\n[store]\n", key("url", quoted(store.place())), key("endpoint", quoted(s3.endpoint)),
      key("region", quoted(s3.region)), key("path_style", truth(s3.path_style)), key("ca_file", quoted(s3.ca_file)),
      key("access_key_id", quoted(s3.keys.access_key_id)), key("secret_access_key", secret(s3.keys.secret_access_key)),
      key("secret_access_key_file", quoted(s3.keys.secret_access_key_file)),
      key("session_token", secret(s3.keys.session_token)), key("credentials_file", quoted(s3.keys.credentials_file)),
      key("profile", quoted(s3.keys.profile)), key("role_arn", quoted(s3.keys.role_arn)),
      key("web_identity_token_file", quoted(s3.keys.web_identity_token_file)), key("sse", quoted(s3.sse)),
      key("sse_kms_key", quoted(s3.sse_kms_key)), key("storage_class", quoted(s3.storage_class)),
      key("connect_timeout", duration(s3.connect_timeout)), key("timeout", duration(s3.answer_timeout)),
      key("patience", duration(s3.patience)), key("max_requests", s3.max_requests), key("part_size", s3.part_bytes),
      key("hedge", truth(s3.hedge)),
      key("prices", concat("{ put_per_1000 = ", plain(s3.prices.put_per_1000), ", get_per_1000 = ",
                           plain(s3.prices.get_per_1000), ", gigabyte_month = ", plain(s3.prices.gigabyte_month),
                           ", gigabyte_out = ", plain(s3.prices.gigabyte_out), " }")));
}

std::string cache_toml(const CacheSettings& cache) {
  return concat("\n[cache]\n", key("memory", cache.memory_bytes), key("disk", cache.disk_bytes),
                key("disk_folder", quoted(cache.disk_folder)), key("disk_keep_free", cache.disk_keep_free_bytes),
                key("results", cache.results_bytes), key("memcached", list(cache.memcached.servers)),
                key("memcached_timeout", duration(cache.memcached.timeout)),
                key("memcached_expires", duration(cache.memcached.expires_after)));
}

std::string tls_toml(const pipeline::HttpServerTls& tls) {
  if (tls.cert_file.empty()) return {};
  return key("tls", concat("{ cert_file = ", quoted(tls.cert_file), ", key_file = ", quoted(tls.key_file),
                           ", client_ca_file = ", quoted(tls.client_ca_file), " }"));
}

// As Loki's JSON shows the rules; null where there are none.
std::string retention_rules(const std::vector<StreamRetention>& rules) {
  std::string out;
  for (const StreamRetention& rule : rules) {
    out += concat(out.empty() ? "[" : ",", R"({"period":)", quoted(prometheus_duration_text(rule.period.count())),
                  R"(,"priority":)", rule.priority, R"(,"selector":)", quoted(rule.selector), "}");
  }
  return out.empty() ? "null" : out + "]";
}

}  // namespace

std::string settings_toml(const Settings& s) {
  return concat(key("data_dir", quoted(s.data_dir)),                             //
                "\n[http]\n", key("listen", quoted(s.listen)), tls_toml(s.tls),  //
                "\n[tenancy]\n", key("mode", quoted(s.tenancy == TenancyMode::kHeader ? "header" : "single")),
                store_toml(s.store), cache_toml(s.cache),                                            //
                "\n[catalog]\n", key("url", quoted(concat("sqlite://", s.catalog_file))),            //
                "\n[ingest]\n", key("ack", quoted(s.ingest.ack == AckMode::kDisk ? "disk" : "s3")),  //
                key("flush_interval", duration(s.ingest.flush.interval)),                            //
                key("flush_bytes", s.ingest.flush.bytes),                                            //
                key("memory_limit", s.ingest.push.budget_bytes),                                     //
                key("max_hold", duration(s.ingest.push.hold)),                                       //
                key("wal_segment_bytes", s.ingest.segment_bytes),                                    //
                key("linger", duration(s.ingest.objects.linger)), key("linger_bytes", s.ingest.objects.bytes),
                key("workers", s.ingest.workers),  //
                "\n[syslog]\n", key("listen", quoted(s.syslog.listen)), key("tenant", quoted(s.syslog.tenant)),
                key("max_message_size", s.syslog.max_message_bytes), "\n[compaction]\n",
                key("background", truth(s.compaction.background)),  //
                key("interval", duration(s.compaction.interval)),   //
                key("cpu_share", plain(s.compaction_share)),        //
                key("grace", duration(s.compaction.garbage.grace)),
                key("collect_interval", duration(s.compaction.collect_interval)),
                key("orphan_age", duration(s.compaction.garbage.orphan_age)),
                key("substring_filter", truth(s.compaction.merge.with_filter)), "\n[query]\n",
                key("memory_limit", s.queries.memory_limit), key("threads", s.query_threads.slots),
                key("max_running", s.query_threads.max_running),
                key("max_outstanding_per_tenant", s.query_threads.max_waiting_per_tenant),  //
                key("compress_responses", truth(s.compress_answers)),                       //
                "\n[retention]\n", key("period", duration(s.limits.set.defaults.retention_period)),
                key("max_bytes", s.compaction.expiry.max_bytes), key("min_age", duration(s.compaction.expiry.min_age)),
                key("delete_cancel_period", duration(s.compaction.deletes.cancel_period)),  //
                limits_toml(s.limits));
}

LimitTexts drilldown_limits(const TenantLimits& limits) {
  auto duration_text = [](std::chrono::nanoseconds value) { return quoted(prometheus_duration_text(value.count())); };
  return {{"discover_log_levels", truth(limits.discover_log_levels)},
          {"discover_service_name", list(limits.discover_service_name)},
          {"log_level_fields", list(limits.log_level_fields)},
          {"max_entries_limit_per_query", std::to_string(limits.max_entries_limit_per_query)},
          {"max_line_size", std::to_string(limits.max_line_size)},
          {"max_line_size_truncate", truth(limits.max_line_size_truncate)},
          {"max_query_bytes_read", loki_size(limits.max_query_bytes_read)},
          {"max_query_length", duration_text(limits.max_query_length)},
          {"max_query_lookback", duration_text(limits.max_query_lookback)},
          {"max_query_range", duration_text(limits.max_query_range)},
          {"max_query_series", std::to_string(limits.max_query_series)},
          {"metric_aggregation_enabled", "false"},
          {"pattern_persistence_enabled", "false"},
          {"query_timeout", duration_text(limits.query_timeout)},
          {"retention_period", duration_text(limits.retention_period)},
          {"retention_stream", retention_rules(limits.retention_stream)},
          {"volume_enabled", truth(limits.volume_enabled)},
          {"volume_max_series", std::to_string(limits.volume_max_series)}};
}

LimitTexts all_limits(const TenantLimits& limits) {
  LimitTexts texts;
  for (const LimitKey& one : limit_keys()) texts.emplace_back(one.name, std::visit(LokiTextOf{{limits}}, one.member));
  return texts;
}

}  // namespace server
