#include "pipeline/parse/go_time_format.h"

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/time_format.h"
#include "pipeline/parse/go_time_elements.h"

namespace pipeline {

using namespace go_time;

namespace {

constexpr int64_t kDaySeconds = 86400;

void append_number(std::string& out, int64_t number, size_t width, char filler = '0') {
  std::string digits = std::to_string(std::abs(number));
  if (number < 0) out.push_back('-');
  if (digits.size() < width) out.append(width - digits.size(), filler);
  out.append(digits);
}

// +0200, +02:00, +02, +020000, +02:00:00: by the kind; Z where the kind says so.
void append_offset(std::string& out, Kind kind, int32_t offset) {
  if (kind < kN4) {
    if (offset == 0) return out.push_back('Z');
    kind = static_cast<Kind>(kind + (kN4 - kZ4));
  }
  int32_t size = std::abs(offset);
  out.push_back(offset < 0 ? '-' : '+');
  append_number(out, size / 3600, 2);
  if (kind == kN2) return;
  bool colon = kind == kNColon || kind == kNColonSeconds;
  if (colon) out.push_back(':');
  append_number(out, size / 60 % 60, 2);
  if (kind != kN6 && kind != kNColonSeconds) return;
  if (colon) out.push_back(':');
  append_number(out, size % 60, 2);
}

void append_fraction(std::string& out, const Element& element, char point, uint32_t nanos) {
  std::string digits = std::to_string(nanos);
  digits.insert(0, 9 - digits.size(), '0');
  digits.resize(element.digits, '0');
  if (element.kind == kFraction9) {
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.empty()) return;
  }
  out.push_back(point);
  out.append(digits);
}

void append_zone_name(std::string& out, const ZoneAt& zone) {
  if (!zone.name.empty()) return void(out.append(zone.name));
  out.push_back(zone.offset < 0 ? '-' : '+');  // no name: +02 or +0230
  int32_t minutes = std::abs(zone.offset) / 60;
  append_number(out, minutes / 60, 2);
  append_number(out, minutes % 60, 2);
}

void append_element(std::string& out, const Element& element, char first, const ClockTime& clock, uint32_t nanos,
                    const ZoneAt& zone) {
  int64_t hour12 = clock.hour % 12 == 0 ? 12 : clock.hour % 12;
  auto kind = static_cast<Kind>(element.kind);
  switch (kind) {
    case kLongMonth: return void(out.append(kMonths[clock.month - 1]));
    case kMonth: return void(out.append(kMonths[clock.month - 1].substr(0, 3)));
    case kNumMonth: return append_number(out, clock.month, 0);
    case kZeroMonth: return append_number(out, clock.month, 2);
    case kLongWeekday: return void(out.append(kWeekdays[clock.weekday]));
    case kWeekday: return void(out.append(kWeekdays[clock.weekday].substr(0, 3)));
    case kDay: return append_number(out, clock.day, 0);
    case kUnderDay: return append_number(out, clock.day, 2, ' ');
    case kZeroDay: return append_number(out, clock.day, 2);
    case kUnderYearDay: return append_number(out, clock.year_day, 3, ' ');
    case kZeroYearDay: return append_number(out, clock.year_day, 3);
    case kHour: return append_number(out, clock.hour, 2);
    case kHour12: return append_number(out, hour12, 0);
    case kZeroHour12: return append_number(out, hour12, 2);
    case kMinute: return append_number(out, clock.minute, 0);
    case kZeroMinute: return append_number(out, clock.minute, 2);
    case kSecond: return append_number(out, clock.second, 0);
    case kZeroSecond: return append_number(out, clock.second, 2);
    case kLongYear: return append_number(out, clock.year, 4);
    case kYear: return append_number(out, std::abs(clock.year) % 100, 2);
    case kPM: return void(out.append(clock.hour >= 12 ? "PM" : "AM"));
    case kpm: return void(out.append(clock.hour >= 12 ? "pm" : "am"));
    case kZoneName: return append_zone_name(out, zone);
    case kFraction0:
    case kFraction9: return append_fraction(out, element, first, nanos);
    default: append_offset(out, kind, zone.offset);
  }
}

}  // namespace

ClockTime clock_time(const TemplateTime& time) {
  int64_t local = time.seconds + zone_at(time).offset;
  int64_t days = local / kDaySeconds - (local % kDaySeconds < 0 ? 1 : 0);
  auto second = static_cast<unsigned>(local - days * kDaySeconds);
  CivilDate date = civil_from_days(days);
  ClockTime out;
  out.year = date.year, out.month = date.month, out.day = date.day;
  out.hour = second / 3600, out.minute = second / 60 % 60, out.second = second % 60;
  out.weekday = static_cast<unsigned>(((days + 4) % 7 + 7) % 7);
  out.year_day = static_cast<unsigned>(days - days_from_civil(date.year, 1, 1)) + 1;
  return out;
}

void append_go_time(std::string& out, std::string_view layout, const TemplateTime& time) {
  ClockTime clock = clock_time(time);
  ZoneAt zone = zone_at(time);
  while (!layout.empty()) {
    Element element;
    size_t length = element_at(layout, element);
    if (length == 0) {
      out.push_back(layout[0]);
      length = 1;
    } else {
      append_element(out, element, layout[0], clock, time.nanos, zone);
    }
    layout.remove_prefix(length);
  }
}

std::string_view go_month_name(int64_t month) {
  return month >= 1 && month <= 12 ? kMonths[static_cast<size_t>(month - 1)] : "%!Month";
}
std::string_view go_weekday_name(int64_t weekday) {
  return weekday >= 0 && weekday <= 6 ? kWeekdays[static_cast<size_t>(weekday)] : "%!Weekday";
}

}  // namespace pipeline
