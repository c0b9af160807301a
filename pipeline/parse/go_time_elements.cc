#include "pipeline/parse/go_time_elements.h"

#include <algorithm>
#include <utility>

namespace pipeline::go_time {

namespace {

bool is_digit(std::string_view text, size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; }
bool begins_lower(std::string_view text) { return !text.empty() && text[0] >= 'a' && text[0] <= 'z'; }

constexpr std::pair<std::string_view, Kind> kFixed[] = {  // longer ones first
    {"2006", kLongYear},
    {"002", kZeroYearDay},
    {"__2", kUnderYearDay},
    {"-07:00:00", kNColonSeconds},
    {"-070000", kN6},
    {"-07:00", kNColon},
    {"-0700", kN4},
    {"-07", kN2},
    {"Z07:00:00", kZColonSeconds},
    {"Z070000", kZ6},
    {"Z07:00", kZColon},
    {"Z0700", kZ4},
    {"Z07", kZ2},
    {"MST", kZoneName},
    {"PM", kPM},
    {"pm", kpm},
    {"01", kZeroMonth},
    {"02", kZeroDay},
    {"03", kZeroHour12},
    {"04", kZeroMinute},
    {"05", kZeroSecond},
    {"06", kYear},
    {"15", kHour},
    {"1", kNumMonth},
    {"2", kDay},
    {"3", kHour12},
    {"4", kMinute},
    {"5", kSecond}};

}  // namespace

size_t element_at(std::string_view layout, Element& out) {
  auto found = [&](Kind kind, size_t length) {
    out.kind = kind;
    return length;
  };
  if (layout.starts_with("January")) return found(kLongMonth, 7);
  if (layout.starts_with("Jan") && !begins_lower(layout.substr(3))) return found(kMonth, 3);
  if (layout.starts_with("Monday")) return found(kLongWeekday, 6);
  if (layout.starts_with("Mon") && !begins_lower(layout.substr(3))) return found(kWeekday, 3);
  if (layout.starts_with("_2") && !layout.starts_with("_2006")) return found(kUnderDay, 2);
  if (layout[0] == '.' || layout[0] == ',') {
    char digit = layout.size() > 1 ? layout[1] : 0;
    if (digit != '0' && digit != '9') return 0;
    size_t end = 1;
    while (end < layout.size() && layout[end] == digit) ++end;
    if (is_digit(layout, end)) return 0;
    out.digits = static_cast<uint8_t>(std::min<size_t>(end - 1, 255));
    return found(digit == '0' ? kFraction0 : kFraction9, end);
  }
  for (const auto& [text, kind] : kFixed) {
    if (layout.starts_with(text)) return found(kind, text.size());
  }
  return 0;
}

}  // namespace pipeline::go_time
