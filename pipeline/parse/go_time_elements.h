// The elements of Go's time layouts. For this room only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pipeline/parse/go_time.h"

namespace pipeline::go_time {

// The elements of a layout, after Go's time/format.go.
enum Kind : uint8_t {
  kLongMonth,
  kMonth,
  kNumMonth,
  kZeroMonth,
  kLongWeekday,
  kWeekday,
  kDay,
  kUnderDay,
  kZeroDay,
  kUnderYearDay,
  kZeroYearDay,
  kHour,
  kHour12,
  kZeroHour12,
  kMinute,
  kZeroMinute,
  kSecond,
  kZeroSecond,
  kLongYear,
  kYear,
  kPM,
  kpm,
  kZoneName,
  // zones; those with Z take a plain Z too
  kZ4,
  kZ6,
  kZColon,
  kZ2,
  kZColonSeconds,
  kN4,
  kN6,
  kNColon,
  kN2,
  kNColonSeconds,
  kFraction0,
  kFraction9
};

using Element = GoTimeLayout::Element;

// The element that begins at `layout` (not empty), and its length; 0: none does.
size_t element_at(std::string_view layout, Element& out);

inline constexpr std::array<std::string_view, 12> kMonths = {"January",   "February", "March",    "April",
                                                             "May",       "June",     "July",     "August",
                                                             "September", "October",  "November", "December"};
inline constexpr std::array<std::string_view, 7> kWeekdays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                              "Thursday", "Friday", "Saturday"};

}  // namespace pipeline::go_time
