#include "server/limits/limit_keys.h"

namespace server {

std::span<const LimitKey> limit_keys() {
  using L = TenantLimits;
  static const LimitKey kKeys[] = {
      {"ingestion_rate_mb", &L::ingestion_rate_mb},
      {"ingestion_burst_size_mb", &L::ingestion_burst_size_mb},
      {"per_stream_rate_limit", SizeLimit{&L::per_stream_rate_limit}},
      {"per_stream_rate_limit_burst", SizeLimit{&L::per_stream_rate_limit_burst}},
      {"max_line_size", SizeLimit{&L::max_line_size}},
      {"max_line_size_truncate", &L::max_line_size_truncate},
      {"max_line_size_truncate_identifier", &L::max_line_size_truncate_identifier},
      {"max_label_names_per_series", CountLimit{&L::max_label_names_per_series}},
      {"max_label_name_length", CountLimit{&L::max_label_name_length}},
      {"max_label_value_length", CountLimit{&L::max_label_value_length}},
      {"max_streams_per_user", CountLimit{&L::max_streams_per_user}},
      {"max_global_streams_per_user", CountLimit{&L::max_global_streams_per_user}},
      {"reject_old_samples", &L::reject_old_samples},
      {"reject_old_samples_max_age", &L::reject_old_samples_max_age},
      {"creation_grace_period", &L::creation_grace_period},
      {"out_of_order_window", &L::out_of_order_window},
      {"increment_duplicate_timestamp", &L::increment_duplicate_timestamp},
      {"allow_structured_metadata", &L::allow_structured_metadata},
      {"max_structured_metadata_size", SizeLimit{&L::max_structured_metadata_size}},
      {"max_structured_metadata_entries_count", CountLimit{&L::max_structured_metadata_entries_count}},
      {"enforced_labels", &L::enforced_labels},
      {"block_ingestion_until", TimeLimit{&L::block_ingestion_until}},
      {"block_ingestion_status_code", CountLimit{&L::block_ingestion_status_code}},
      {"discover_service_name", &L::discover_service_name},
      {"discover_log_levels", &L::discover_log_levels},
      {"log_level_fields", &L::log_level_fields},
      {"log_level_from_json_max_depth", CountLimit{&L::log_level_from_json_max_depth}},
      {"max_entries_limit_per_query", CountLimit{&L::max_entries_limit_per_query}},
      {"max_query_series", CountLimit{&L::max_query_series}},
      {"max_query_length", &L::max_query_length},
      {"max_query_lookback", &L::max_query_lookback},
      {"max_query_range", &L::max_query_range},
      {"max_query_parallelism", CountLimit{&L::max_query_parallelism}},
      {"max_query_bytes_read", SizeLimit{&L::max_query_bytes_read}},
      {"max_streams_matchers_per_query", CountLimit{&L::max_streams_matchers_per_query}},
      {"max_cache_freshness_per_query", &L::max_cache_freshness_per_query},
      {"query_timeout", &L::query_timeout},
      {"required_labels", &L::required_labels},
      {"minimum_labels_number", CountLimit{&L::minimum_labels_number}},
      {"volume_enabled", &L::volume_enabled},
      {"volume_max_series", CountLimit{&L::volume_max_series}},
      {"max_concurrent_tail_requests", CountLimit{&L::max_concurrent_tail_requests}},
      {"tail_max_duration", &L::tail_max_duration},
      {"retention_period", &L::retention_period},
      {"deletion_mode", &L::deletion_mode},
  };
  return kKeys;
}

}  // namespace server
