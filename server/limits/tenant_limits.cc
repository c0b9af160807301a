#include "server/limits/tenant_limits.h"

#include <algorithm>
#include <limits>

#include "pipeline/codec/otlp_entries.h"

namespace server {

std::vector<std::string> default_log_level_fields() {
  return {"level",        "LEVEL", "Level", "log.level", "severity",      "SEVERITY",      "Severity",
          "SeverityText", "lvl",   "LVL",   "Lvl",       "severity_text", "Severity_Text", "SEVERITY_TEXT"};
}

std::vector<std::string> TenantLimits::default_service_name_candidates() {
  return pipeline::default_service_name_labels();
}

pipeline::UnixNanos TenantLimits::oldest_accepted(pipeline::UnixNanos now) const {
  pipeline::UnixNanos oldest = std::numeric_limits<pipeline::UnixNanos>::min();
  if (reject_old_samples) oldest = now - reject_old_samples_max_age.count();
  bool for_ever = retention_period.count() == 0;
  std::chrono::nanoseconds longest = retention_period;
  for (const StreamRetention& stream : retention_stream) {
    for_ever = for_ever || stream.period.count() == 0;
    longest = std::max(longest, stream.period);
  }
  return for_ever || longest.count() > now ? oldest : std::max(oldest, now - longest.count());
}

TenantLimits TenantLimits::lifted() const {
  TenantLimits limits = *this;
  limits.max_line_size = limits.max_label_names_per_series = 0;
  limits.max_label_name_length = limits.max_label_value_length = 0;
  limits.max_structured_metadata_size = limits.max_structured_metadata_entries_count = 0;
  limits.creation_grace_period = {};
  limits.reject_old_samples = false;
  limits.retention_period = {};
  limits.retention_stream.clear();
  limits.enforced_labels.clear();
  limits.out_of_order_window = {};
  limits.increment_duplicate_timestamp = limits.max_line_size_truncate = false;  // done before it was logged
  limits.discover_log_levels = discover_log_levels && allow_structured_metadata;
  limits.allow_structured_metadata = true;
  return limits;
}

}  // namespace server
