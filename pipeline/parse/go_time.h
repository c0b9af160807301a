// GoTimeLayout: Go's reference-time layouts ("2006-01-02T15:04:05.000Z07:00", "Jan _2 15:04:05") and the names and
// numeric forms that the timestamp stage knows (agent.md 5.10).
//
// Thread:  any (immutable).
// Errors:  of parse(): kInvalid. A time outside 1678 to 2262 does not fit UnixNanos and is kInvalid too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "pipeline/parse/time_zone.h"

namespace pipeline {

class GoTimeLayout {
 public:
  // Every text is a layout: what is no element stands for itself.
  static GoTimeLayout compile(std::string_view layout);

  bool has_year() const { return has_year_; }

  struct Parts {
    int64_t year = 0;
    unsigned month = 0, day = 0;
    int64_t seconds = 0;  // since 1970; without the fraction
    uint32_t nanos = 0;
  };
  // As Go's time.ParseInLocation. A layout without a year gives year 0.
  Result<Parts> parse_parts(std::string_view text, const TimeZone& zone) const;
  Result<UnixNanos> parse(std::string_view text, const TimeZone& zone) const;

 private:
  struct Element {
    uint8_t kind = 0;
    uint8_t digits = 0;  // of fractions
    std::string prefix;  // literal text before it
  };
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
  enum class Kind : uint8_t { kLayout, kRfc3339, kUnix, kUnixMs, kUnixUs, kUnixNs };
  Kind kind_ = Kind::kLayout;
  GoTimeLayout layout_;
  TimeZone zone_;
};

}  // namespace pipeline
