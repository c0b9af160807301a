// Periods: what the entries of one L2 object have in common: the hour, else the day, else the 30 days, else nothing.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <limits>

#include "server/catalog/catalog.h"

namespace server {

inline constexpr int64_t kEverything = std::numeric_limits<int64_t>::max();
inline constexpr std::array<int64_t, 4> kPeriodHours = {1, 24, 720, kEverything};

struct Period {
  int64_t hours = 1;   // one of kPeriodHours
  int64_t number = 0;  // since 1970
  auto operator<=>(const Period&) const = default;
  // Hours since 1970; saturated.
  int64_t begin_hour() const { return hours == kEverything ? -kEverything : number * hours; }
  int64_t end_hour() const { return hours == kEverything ? kEverything : (number + 1) * hours; }
};

inline Period period_of_hour(int64_t hour, int64_t hours) {
  if (hours == kEverything) return {hours, 0};
  return {hours, hour >= 0 ? hour / hours : (hour + 1) / hours - 1};
}

// The smallest period that holds both.
inline Period common_period(UnixNanos min, UnixNanos max) {
  for (int64_t hours : kPeriodHours) {
    Period period = period_of_hour(hour_of(min), hours);
    if (period == period_of_hour(hour_of(max), hours)) return period;
  }
  return {kEverything, 0};
}

}  // namespace server
