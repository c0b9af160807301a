// Functions on times: Sprig's.
#include <algorithm>
#include <chrono>

#include "pipeline/base/quantity.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_time_format.h"
#include "pipeline/parse/template_cast.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Call = TemplateCall;

constexpr int64_t kSecond = 1'000'000'000;

TemplateTime time_of(const Call& call, UnixNanos nanos) {
  int64_t seconds = nanos / kSecond - (nanos % kSecond < 0 ? 1 : 0);
  return {
      .seconds = seconds, .nanos = static_cast<uint32_t>(nanos - seconds * kSecond), .zone = call.run.zone("Local")};
}

// A time, or whole seconds; anything else is now. Seconds are kept within some 30 million years.
constexpr int64_t kMostSeconds = 1'000'000'000'000'000;

TemplateTime time_at(const Call& call, size_t i) {
  if (call[i].is(Kind::kTime)) return call[i].as_time();
  if (call[i].is(Kind::kInteger)) {
    int64_t seconds = std::clamp(call.integer(i), -kMostSeconds, kMostSeconds);
    return {.seconds = seconds, .nanos = 0, .zone = call.run.zone("Local")};
  }
  return time_of(call, call.run.input().now);
}

Result<Value> formatted(const Call& call, std::string_view layout, TemplateTime time, std::string_view zone) {
  time.zone = call.run.zone(zone);
  if (time.zone == nullptr) time.zone = call.run.zone("UTC");
  std::string text;
  append_go_time(text, layout, time);
  return call.memory().text(text);
}

Result<Value> now(const Call& call) { return call.memory().time(time_of(call, call.run.input().now)); }
Result<Value> date(const Call& call) { return formatted(call, call.text(0), time_at(call, 1), "Local"); }
Result<Value> date_in_zone(const Call& call) { return formatted(call, call.text(0), time_at(call, 1), call.text(2)); }
Result<Value> html_date(const Call& call) { return formatted(call, "2006-01-02", time_at(call, 0), "Local"); }
Result<Value> html_date_in_zone(const Call& call) {
  return formatted(call, "2006-01-02", time_at(call, 0), call.text(1));
}

std::optional<int64_t> go_duration(std::string_view text) {
  if (text.find_first_of("dwy") != text.npos) return std::nullopt;  // units of ours
  auto duration = parse_duration(text);
  return duration ? std::optional<int64_t>(duration->count()) : std::nullopt;
}

TemplateTime moved(TemplateTime time, int64_t by) {
  int64_t nanos = static_cast<int64_t>(time.nanos) + by % kSecond;
  time.seconds += by / kSecond;
  if (nanos < 0) nanos += kSecond, --time.seconds;
  if (nanos >= kSecond) nanos -= kSecond, ++time.seconds;
  time.nanos = static_cast<uint32_t>(nanos);
  return time;
}
Result<Value> date_modify(const Call& call) {
  auto by = go_duration(call.text(0));
  if (!by) return call[1];
  return call.memory().time(moved(call[1].as_time(), *by));
}
Result<Value> must_date_modify(const Call& call) {
  if (!go_duration(call.text(0))) {
    std::string quoted;
    append_go_quoted(quoted, call.text(0));
    return fail(Errc::kInvalid, "time: invalid duration " + quoted);
  }
  return date_modify(call);
}

Result<Value> duration_text(const Call& call, int64_t nanos) {
  return call.memory().text(format_duration(std::chrono::nanoseconds(nanos)));
}

// Nanoseconds from the time until now; bounded as Go's Sub.
int64_t since(const Call& call, const TemplateTime& time) {
  __int128 then = static_cast<__int128>(time.seconds) * kSecond + time.nanos;
  __int128 by = call.run.input().now - then;
  if (by > INT64_MAX) return INT64_MAX;
  return by < INT64_MIN ? INT64_MIN : static_cast<int64_t>(by);
}

Result<Value> ago(const Call& call) {
  int64_t by = since(call, time_at(call, 0));
  int64_t part = by % kSecond;
  int64_t whole = by - part, step = part >= kSecond / 2 ? kSecond : part <= -kSecond / 2 ? -kSecond : 0;
  if (__builtin_add_overflow(whole, step, &whole)) whole = by;
  return duration_text(call, whole);
}

Result<Value> duration(const Call& call) {
  int64_t seconds = 0;
  if (call[0].is(Kind::kText)) seconds = parse_go_integer(call.text(0), 10).value_or(0);
  if (call[0].is(Kind::kInteger) && call[0].integer_type() == Value::Integer::kInt64) seconds = call.integer(0);
  return duration_text(call, static_cast<int64_t>(static_cast<uint64_t>(seconds) * kSecond));
}

Result<Value> duration_round(const Call& call) {
  int64_t nanos = 0;
  if (call[0].is(Kind::kText)) nanos = go_duration(call.text(0)).value_or(0);
  if (call[0].is(Kind::kInteger) && call[0].integer_type() == Value::Integer::kInt64) nanos = call.integer(0);
  if (call[0].is(Kind::kTime)) nanos = since(call, call[0].as_time());
  uint64_t size = nanos < 0 ? 0 - static_cast<uint64_t>(nanos) : static_cast<uint64_t>(nanos);
  constexpr uint64_t kHour = 3600ull * kSecond, kDay = 24 * kHour;
  constexpr std::pair<uint64_t, std::string_view> kUnits[] = {
      {365 * kDay, "y"}, {30 * kDay, "mo"}, {kDay, "d"}, {kHour, "h"}, {60ull * kSecond, "m"}, {kSecond, "s"}};
  for (const auto& [unit, name] : kUnits) {
    if (size > unit) return call.memory().text(concat(nanos < 0 ? "-" : "", size / unit, name));
  }
  return Value::text("0s");
}

Result<Value> to_date(const Call& call) {
  auto time = parse_template_time(call, call.text(0), call.text(1), call.run.zone("Local"));
  return call.memory().time(time ? *time : zero_time(call));
}
Result<Value> must_to_date(const Call& call) {
  TRY_LET(TemplateTime time, parse_template_time(call, call.text(0), call.text(1), call.run.zone("Local")));
  return call.memory().time(time);
}
Result<Value> unix_epoch(const Call& call) { return call.memory().text(std::to_string(call[0].as_time().seconds)); }

constexpr TemplateFunction kFunctions[] = {{"now", "", now},
                                           {"date", "sv", date},
                                           {"toDate", "ss", to_date},
                                           {"unixEpoch", "t", unix_epoch},
                                           {"dateInZone", "svs", date_in_zone},
                                           {"date_in_zone", "svs", date_in_zone},
                                           {"htmlDate", "v", html_date},
                                           {"htmlDateInZone", "vs", html_date_in_zone},
                                           {"dateModify", "st", date_modify},
                                           {"date_modify", "st", date_modify},
                                           {"mustDateModify", "st", must_date_modify},
                                           {"must_date_modify", "st", must_date_modify},
                                           {"ago", "v", ago},
                                           {"duration", "v", duration},
                                           {"durationRound", "v", duration_round},
                                           {"mustToDate", "ss", must_to_date}};

}  // namespace

TemplateFunctionList date_functions() { return kFunctions; }

}  // namespace pipeline
