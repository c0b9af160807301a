// RFC 3339 times in UTC, and their parts (proleptic Gregorian calendar, algorithm: Howard Hinnant, "chrono-Compatible
// Low-Level Date Algorithms"). Named layouts and Go layouts live in parse/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"

namespace pipeline {

// Days since 1970-01-01. Month 1-12, day 1-31, any year.
int64_t days_from_civil(int64_t year, unsigned month, unsigned day);

struct CivilDate {
  int64_t year;
  unsigned month, day;  // 1-12, 1-31
};
CivilDate civil_from_days(int64_t days);

// "2026-11-01T10:00:00.000000001Z": as many fraction digits as needed, none when whole.
std::string format_rfc3339(UnixNanos time);

// RFC 3339 with an optional fraction (1 to 9 digits kept, further ones cut) and any offset; nothing if `text` is
// anything else or out of the range of UnixNanos.
std::optional<UnixNanos> parse_rfc3339(std::string_view text);

}  // namespace pipeline
