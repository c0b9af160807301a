// The parameters that Loki's read endpoints share, with its defaults, limits and texts. Source of the formats: Loki 3.x
// HTTP API.
//
// Errors: kInvalid with Loki's text, to be answered with 400 and that text alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_form.h"
#include "server/limits/tenant_limits.h"
#include "server/query/entry_collector.h"

namespace server {

struct TimeRange {
  pipeline::UnixNanos start = 0, end = 0;  // [start, end) for entries; both inclusive for evaluation instants
};

struct RangeParameters {
  std::string query;
  TimeRange range;
  std::chrono::nanoseconds step{0};      // > 0
  std::chrono::nanoseconds interval{0};  // >= 0
  uint32_t limit = 100;                  // > 0
  Direction direction = Direction::kBackward;
};

struct InstantParameters {
  std::string query;
  pipeline::UnixNanos time = 0;
  uint32_t limit = 100;
  Direction direction = Direction::kBackward;
};

// start, end, since. Where only equality of both is in question Loki accepts it; end before start is the caller's to
// refuse (texts differ).
pipeline::Result<TimeRange> parse_time_range(const pipeline::HttpForm& form, pipeline::UnixNanos now);
// kInvalid: the end lies before the start.
pipeline::Result<void> check_order(const TimeRange& range);

// max_query_lookback: the range without what lies before it; a range that lies before it as a whole becomes empty.
TimeRange within_lookback(TimeRange range, const TenantLimits& limits, pipeline::UnixNanos now);
// Whether all of it lies before.
bool is_beyond_lookback(const TimeRange& range, const TenantLimits& limits, pipeline::UnixNanos now);

// start, end and since in order, and `step` with its default and its limit of 11,000 points.
struct SteppedRange {
  TimeRange range;
  std::chrono::nanoseconds step{0};
};
pipeline::Result<SteppedRange> parse_stepped_range(const pipeline::HttpForm& form, pipeline::UnixNanos now);

// A whole number above 0 under `name`; 0 where `zero` says so.
enum class ZeroLimit { kRefuse, kIsDefault };
pipeline::Result<uint32_t> parse_limit(const pipeline::HttpForm& form, std::string_view name, uint32_t otherwise,
                                       ZeroLimit zero = ZeroLimit::kRefuse);

pipeline::Result<RangeParameters> parse_range_parameters(const pipeline::HttpForm& form, pipeline::UnixNanos now);
pipeline::Result<InstantParameters> parse_instant_parameters(const pipeline::HttpForm& form, pipeline::UnixNanos now);

// Seconds with a fraction (rounded to ms), whole seconds up to 10 characters, nanoseconds beyond, or RFC 3339.
pipeline::Result<pipeline::UnixNanos> parse_timestamp(std::string_view text);

}  // namespace server
