// Times written by Go's reference-time layouts (see go_time.h for reading them). Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/parse/template_value.h"

namespace pipeline {

// As Go's Time.Format: in the zone of the time.
void append_go_time(std::string& out, std::string_view layout, const TemplateTime& time);

// A time taken apart on the clocks of its zone.
struct ClockTime {
  int64_t year = 1970;
  unsigned month = 1, day = 1, hour = 0, minute = 0, second = 0;
  unsigned weekday = 4, year_day = 1;  // Sunday is 0, the first of January 1
};
ClockTime clock_time(const TemplateTime& time);

std::string_view go_month_name(int64_t month);      // 1: January
std::string_view go_weekday_name(int64_t weekday);  // 0: Sunday

}  // namespace pipeline
