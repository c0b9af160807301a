#include "pipeline/parse/time_method.h"

#include <utility>

#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_time_format.h"

namespace pipeline {

using Kind = TemplateValue::Kind;
using Integer = TemplateValue::Integer;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kZeroTime = -62'135'596'800;  // the first second of year 1

std::optional<TemplateValue> part_of(const TemplateTime& time, std::string_view name) {
  ClockTime clock = clock_time(time);
  const std::pair<std::string_view, int64_t> numbers[] = {
      {"Year", clock.year},     {"Day", clock.day},         {"Hour", clock.hour},       {"Minute", clock.minute},
      {"Second", clock.second}, {"Nanosecond", time.nanos}, {"YearDay", clock.year_day}};
  for (const auto& [of, number] : numbers) {
    if (of == name) return TemplateValue::integer(number);
  }
  if (name == "Month") return TemplateValue::integer(clock.month, Integer::kMonth);
  if (name == "Weekday") return TemplateValue::integer(clock.weekday, Integer::kWeekday);
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"Unix", 1}, {"UnixMilli", 1'000}, {"UnixMicro", 1'000'000}, {"UnixNano", kSecond}};
  for (const auto& [of, per_second] : kUnits) {
    if (of != name) continue;
    auto parts = static_cast<uint64_t>(time.nanos / (kSecond / per_second));  // whole numbers wrap around, as Go's
    auto scaled = static_cast<uint64_t>(time.seconds) * static_cast<uint64_t>(per_second) + parts;
    return TemplateValue::integer(static_cast<int64_t>(scaled), Integer::kInt64);
  }
  if (name == "IsZero") return TemplateValue::boolean(time.seconds == kZeroTime && time.nanos == 0);
  return std::nullopt;
}

Result<TemplateValue> time_method(const TemplateTime& time, std::string_view name,
                                  std::span<const TemplateValue> arguments, TemplateRun& run) {
  if (name == "Format") {
    if (arguments.size() != 1 || !arguments[0].is(Kind::kText)) {
      return fail(Errc::kInvalid, "Format takes one layout");
    }
    std::string text;
    append_go_time(text, arguments[0].as_text(), time);
    return run.memory().text(text);
  }
  if (!arguments.empty()) return fail(Errc::kInvalid, concat("wrong number of args for ", name));
  if (auto value = part_of(time, name)) return *value;
  if (name == "UTC" || name == "Local") {
    TemplateTime moved = time;
    moved.zone = run.zone(name);
    return run.memory().time(moved);
  }
  if (name == "String") {
    std::string text;
    append_go_value(text, TemplateValue::time(&time));
    return run.memory().text(text);
  }
  return fail(Errc::kNotFound, "no such method");
}

Result<TemplateValue> duration_method(int64_t nanos, std::string_view name, TemplateRun& run) {
  constexpr std::pair<std::string_view, int64_t> kWhole[] = {
      {"Nanoseconds", 1}, {"Microseconds", 1'000}, {"Milliseconds", 1'000'000}};
  for (const auto& [of, unit] : kWhole) {
    if (of == name) return TemplateValue::integer(nanos / unit, Integer::kInt64);
  }
  constexpr std::pair<std::string_view, int64_t> kParts[] = {
      {"Seconds", kSecond}, {"Minutes", 60 * kSecond}, {"Hours", 3600 * kSecond}};
  for (const auto& [of, unit] : kParts) {
    if (of == name) return TemplateValue::number(static_cast<double>(nanos) / static_cast<double>(unit));
  }
  if (name != "String") return fail(Errc::kNotFound, "no such method");
  std::string text;
  append_go_value(text, TemplateValue::integer(nanos, Integer::kDuration));
  return run.memory().text(text);
}

}  // namespace

Result<TemplateValue> call_time_method(const TemplateValue& value, std::string_view name,
                                       std::span<const TemplateValue> arguments, TemplateRun& run) {
  if (value.is(Kind::kTime)) return time_method(value.as_time(), name, arguments, run);
  if (value.is(Kind::kInteger) && value.integer_type() == Integer::kDuration && arguments.empty()) {
    return duration_method(value.as_integer(), name, run);
  }
  return fail(Errc::kNotFound, "no such method");
}

}  // namespace pipeline
