// GoTimeLayout: Go's reference-time layouts ("2006-01-02T15:04:05.000Z07:00", "Jan _2 15:04:05") and the names and
// numeric forms that the timestamp stage knows (agent.md 5.10).
//
// Thread:  any (immutable).
// Errors:  of parse(): kInvalid. A time outside 1678 to 2262 does not fit UnixNanos and is kInvalid too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/parse/time_zone.h"

namespace pipeline {

// What a text says, before a zone is chosen.
struct CivilTime {
  int64_t year = 0;  // 0 where the layout has none
  unsigned month = 1, day = 1, hour = 0, minute = 0, second = 0;
  uint32_t nanos = 0;
  std::optional<int32_t> offset;  // seconds east of UTC, if the text has an offset, Z or UTC
  std::string zone_name;          // an abbreviation such as CEST, if it has one
};

// The instant: by the offset, else by the zone's meaning of the abbreviation (unknown: UTC), else by the zone's clocks.
Result<UnixNanos> to_unix(const CivilTime& time, const TimeZone& zone);

class GoTimeLayout {
 public:
  // Every text is a layout: what is no element stands for itself.
  static GoTimeLayout compile(std::string_view layout);

  bool has_year() const { return has_year_; }
  // As Go's time.Parse; `text` must fit from end to end.
  Result<CivilTime> parse(std::string_view text) const;

  struct Element {
    uint8_t kind = 0;    // go_time.cc
    uint8_t digits = 0;  // of a fraction
    std::string prefix;  // literal text before it
  };

 private:
  std::vector<Element> elements_;
  std::string tail_;
  bool has_year_ = false;
};

// What `format` of the timestamp stage means: one of ANSIC, UnixDate, RubyDate, RFC822, RFC822Z, RFC850, RFC1123,
// RFC1123Z, RFC3339, RFC3339Nano (these ignore the zone given), Unix, UnixMs, UnixUs, UnixNs, or a Go layout.
class TimeFormat {
 public:
  static TimeFormat create(std::string_view format, const TimeZone& zone);
  // `now` supplies the year where the layout has none: December read in January is last year's, January read in
  // December next year's.
  Result<UnixNanos> parse(std::string_view text, UnixNanos now) const;

 private:
  enum class Kind : uint8_t { kLayout, kUnix, kUnixMs, kUnixUs, kUnixNs };
  Kind kind_ = Kind::kLayout;
  GoTimeLayout layout_;
  TimeZone zone_ = TimeZone::utc();
};

}  // namespace pipeline
