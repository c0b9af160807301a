#include "server/settings_text.h"

#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "server/api/loki_json.h"
#include "server/api/volume_routes.h"
#include "server/logql/value_text.h"

namespace server {

using pipeline::concat;

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

std::string limits_toml(const PushLimits& push, const QueryLimits& query, const TailLimits& tail) {
  return concat(
      "\n[limits]\n",  //
      key("max_line_size", push.max_line_size), key("max_label_names_per_series", push.max_label_names_per_series),
      key("max_label_name_length", push.max_label_name_length),
      key("max_label_value_length", push.max_label_value_length),
      key("reject_old_samples", truth(push.reject_old_samples)),
      key("reject_old_samples_max_age", duration(push.reject_old_samples_max_age)),
      key("creation_grace_period", duration(push.creation_grace_period)),
      key("allow_structured_metadata", truth(push.allow_structured_metadata)),
      key("max_structured_metadata_size", push.max_structured_metadata_size),
      key("max_structured_metadata_entries_count", push.max_structured_metadata_entries_count),
      key("discover_service_name", list(push.discover_service_name)),
      key("max_entries_limit_per_query", query.max_entries_limit_per_query),
      key("max_query_series", query.max_query_series), key("max_query_length", duration(query.max_query_length)),
      key("max_streams_matchers_per_query", query.max_streams_matchers_per_query),
      key("max_concurrent_tail_requests", tail.max_concurrent_tail_requests),
      key("tail_max_duration", duration(tail.tail_max_duration)));
}

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

std::string tls_toml(const pipeline::HttpServerTls& tls) {
  if (tls.cert_file.empty()) return {};
  return key("tls", concat("{ cert_file = ", quoted(tls.cert_file), ", key_file = ", quoted(tls.key_file),
                           ", client_ca_file = ", quoted(tls.client_ca_file), " }"));
}

}  // namespace

std::string settings_toml(const Settings& s) {
  return concat(key("data_dir", quoted(s.data_dir)),                             //
                "\n[http]\n", key("listen", quoted(s.listen)), tls_toml(s.tls),  //
                "\n[tenancy]\n", key("mode", quoted(s.tenancy == TenancyMode::kHeader ? "header" : "single")),
                store_toml(s.store),                                                       //
                "\n[catalog]\n", key("url", quoted(concat("sqlite://", s.catalog_file))),  //
                "\n[ingest]\n", key("ack", quoted("disk")),                                //
                key("flush_interval", duration(s.ingest.flush.interval)),                  //
                key("flush_bytes", s.ingest.flush.bytes),                                  //
                key("memory_limit", s.ingest.push.budget_bytes),                           //
                key("max_hold", duration(s.ingest.push.hold)),                             //
                key("wal_segment_bytes", s.ingest.segment_bytes),                          //
                key("workers", s.ingest.workers),                                          //
                "\n[compaction]\n", key("background", truth(s.compaction.background)),     //
                key("interval", duration(s.compaction.interval)),                          //
                key("grace", duration(s.compaction.grace)),                                //
                "\n[query]\n", key("memory_limit", s.query_limits.memory_limit), key("threads", s.query_threads.slots),
                key("max_running", s.query_threads.max_running),
                key("max_outstanding_per_tenant", s.query_threads.max_waiting_per_tenant),  //
                key("compress_responses", truth(s.compress_answers)),                       //
                limits_toml(s.ingest.push.limits, s.query_limits, s.tail_limits));
}

TenantLimits tenant_limits(const Settings& settings) {
  const QueryLimits& query = settings.query_limits;
  return {{"discover_log_levels", "true"},
          {"discover_service_name", list(settings.ingest.push.limits.discover_service_name)},
          {"max_entries_limit_per_query", std::to_string(query.max_entries_limit_per_query)},
          {"max_line_size", std::to_string(settings.ingest.push.limits.max_line_size)},
          {"max_line_size_truncate", "false"},
          {"max_query_bytes_read", "\"0B\""},
          {"max_query_length", quoted(prometheus_duration_text(query.max_query_length.count()))},
          {"max_query_lookback", "\"0s\""},
          {"max_query_range", "\"0s\""},
          {"max_query_series", std::to_string(query.max_query_series)},
          {"metric_aggregation_enabled", "false"},
          {"pattern_persistence_enabled", "false"},
          {"query_timeout", "\"1m\""},
          {"retention_period", "\"0s\""},
          {"volume_enabled", "true"},
          {"volume_max_series", std::to_string(kVolumeMaxSeries)}};
}

}  // namespace server
