// TenantLimits: what one tenant may do: Loki's names, meanings and defaults, but for those that are off by default here
// (rates, numbers of streams, reject_old_samples). One struct for the whole server; LimitTable gives a tenant's.
//
// A new limit: a member here, a line in limit_keys.cc (reading and showing follow), a line in configs/server.toml.
//
// Units:   bytes, nanoseconds. 0 = no limit, unless said otherwise. Thread: any (plain data).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/clock.h"

namespace server {

// What becomes of attributes of OTLP exports. The first rule that matches decides; none: structured metadata.
struct OtlpAttributeRule {
  std::string action = "structured_metadata";  // index_label (resources only), structured_metadata, drop
  std::vector<std::string> attributes;         // these, or
  std::string regex;                           // those whose whole name matches; one of both is set
  bool operator==(const OtlpAttributeRule&) const = default;
};

struct OtlpLimits {
  bool ignore_defaults = false;  // only the rules choose labels, not Loki's list of resource attributes
  std::vector<OtlpAttributeRule> resource_attributes, scope_attributes, log_attributes;
  bool severity_text_as_label = false;
  bool operator==(const OtlpLimits&) const = default;
};

// Queries that are not answered. All that is set must hold; `types` alone blocks by kind.
struct BlockedQuery {
  std::string pattern;             // the whole text of the query, or
  bool regex = false;              // an expression that occurs in it
  uint32_t hash = 0;               // FNV-1 (32 bits) of the text, instead of a pattern
  std::vector<std::string> types;  // metric, filter, limited; empty: all
  bool operator==(const BlockedQuery&) const = default;
};

// How long the streams that `selector` matches are kept.
struct StreamRetention {
  std::string selector;
  int64_t priority = 0;
  std::chrono::nanoseconds period{0};  // 0: for ever
  bool operator==(const StreamRetention&) const = default;
};

std::vector<std::string> default_log_level_fields();  // Loki's

struct TenantLimits {
  // --- pushes
  double ingestion_rate_mb = 0;  // MB (1024 * 1024 bytes) a second
  double ingestion_burst_size_mb = 6;
  uint64_t per_stream_rate_limit = 0;  // bytes a second
  uint64_t per_stream_rate_limit_burst = 15 << 20;
  uint64_t max_line_size = 256 << 10;
  bool max_line_size_truncate = false;
  std::string max_line_size_truncate_identifier = {};
  uint64_t max_label_names_per_series = 15;
  uint64_t max_label_name_length = 1024;
  uint64_t max_label_value_length = 2048;
  uint64_t max_streams_per_user = 0;  // on one machine the two are the same: the smaller one that is set counts
  uint64_t max_global_streams_per_user = 0;
  bool reject_old_samples = false;
  std::chrono::nanoseconds reject_old_samples_max_age = std::chrono::hours(7 * 24);
  std::chrono::nanoseconds creation_grace_period = std::chrono::minutes(10);
  // How far an entry may lie behind the newest one of its stream. Loki's is half of ingester.max_chunk_age: 1 h.
  std::chrono::nanoseconds out_of_order_window{0};
  bool increment_duplicate_timestamp = false;
  bool allow_structured_metadata = true;
  uint64_t max_structured_metadata_size = 64 << 10;
  uint64_t max_structured_metadata_entries_count = 128;
  std::vector<std::string> enforced_labels = {};  // every stream must have them
  pipeline::UnixNanos block_ingestion_until = 0;  // until then pushes are answered with the next
  uint64_t block_ingestion_status_code = 260;

  // The labels of which the first that is there becomes service_name where a stream has none. Empty: none is added.
  std::vector<std::string> discover_service_name = default_service_name_candidates();
  // Entries get detected_level as structured metadata, unless that is not allowed. See LevelDetector.
  bool discover_log_levels = true;
  std::vector<std::string> log_level_fields = default_log_level_fields();
  uint64_t log_level_from_json_max_depth = 2;
  OtlpLimits otlp_config = {};

  // --- queries
  uint64_t max_entries_limit_per_query = 5000;
  uint64_t max_query_series = 500;
  std::chrono::nanoseconds max_query_length = std::chrono::hours(721);
  std::chrono::nanoseconds max_query_lookback{0};
  std::chrono::nanoseconds max_query_range{0};
  uint64_t max_query_parallelism = 32;
  uint64_t max_query_bytes_read = 0;
  uint64_t max_streams_matchers_per_query = 1000;
  std::chrono::nanoseconds max_cache_freshness_per_query = std::chrono::minutes(10);
  std::chrono::nanoseconds query_timeout = std::chrono::minutes(1);
  std::vector<std::string> required_labels = {};
  uint64_t minimum_labels_number = 0;
  std::vector<BlockedQuery> blocked_queries = {};
  bool volume_enabled = true;
  uint64_t volume_max_series = 1000;  // below 2^32
  uint64_t max_concurrent_tail_requests = 10;
  std::chrono::nanoseconds tail_max_duration = std::chrono::hours(1);  // ours; then clients come again

  // --- what is kept
  std::chrono::nanoseconds retention_period{0};        // 0: for ever; [retention] period where nothing else is said
  std::vector<StreamRetention> retention_stream = {};  // the highest priority wins, then the shortest period
  std::string deletion_mode = "filter-and-delete";     // or "disabled"

  bool operator==(const TenantLimits&) const = default;

  // Entries older than that are refused: by reject_old_samples, or because nothing of the tenant is kept for so long.
  // The lowest time there is: none are.
  pipeline::UnixNanos oldest_accepted(pipeline::UnixNanos now) const;

  // Without limits of what may be pushed; what is discovered stays. For what was checked before it was acknowledged:
  // the replay of the write-ahead log.
  TenantLimits lifted() const;

 private:
  static std::vector<std::string> default_service_name_candidates();
};

}  // namespace server
