// The functions of LogQL's templates (logql.md 5.2, 5.3): Loki's own, and those of Sprig that Loki lets in.
#include <algorithm>
#include <array>
#include <chrono>

#include "pipeline/base/text_encoding.h"
#include "pipeline/model/letter_case.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/go_text.h"
#include "pipeline/parse/go_url.h"
#include "pipeline/parse/regex_functions.h"
#include "pipeline/parse/template_cast.h"
#include "pipeline/parse/value_text.h"

namespace pipeline {

namespace {

using Value = TemplateValue;
using Call = TemplateCall;

constexpr int64_t kSecond = 1'000'000'000;

TemplateTime time_of(const TimeZone* zone, UnixNanos nanos) {
  int64_t seconds = nanos / kSecond - (nanos % kSecond < 0 ? 1 : 0);
  return {.seconds = seconds, .nanos = static_cast<uint32_t>(nanos - seconds * kSecond), .zone = zone};
}

Result<Value> line(const Call& call) { return Value::text(call.run.input().line); }
Result<Value> timestamp(const Call& call) {
  return call.memory().time(time_of(call.run.zone("UTC"), call.run.input().timestamp));
}

Result<Value> count(const Call& call) {
  TRY_LET(const Regex* regex, regex_of(call, call.text(0)));
  int64_t matches = 0;
  regex->each_match(call.text(1), [&](std::span<const std::string_view>) { return ++matches, true; });
  return Value::integer(matches);
}

Result<Value> urlencode(const Call& call) {
  std::string out;
  append_query_escaped(out, call.text(0));
  return call.memory().text(out);
}
Result<Value> urldecode(const Call& call) {
  auto decoded = decode_percent(call.text(0), true);
  if (decoded) return call.memory().text(*decoded);
  std::string_view text = call.text(0);
  auto is_hex = [&](size_t at) { return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at])) != 0; };
  size_t at = text.find('%');
  while (is_hex(at + 1) && is_hex(at + 2)) at = text.find('%', at + 1);
  std::string quoted;
  append_go_quoted(quoted, text.substr(at, 3));
  return fail(Errc::kInvalid, "invalid URL escape " + quoted);
}

Result<Value> bytes(const Call& call) {
  TRY_LET(const uint64_t size, parse_human_bytes(call.text(0)));
  return Value::number(static_cast<double>(size));
}
Result<Value> duration(const Call& call) {
  TRY_LET(const int64_t nanos, parse_go_duration(call.text(0)));
  return Value::number(static_cast<double>(nanos) / 1e9);
}

Result<Value> epoch(const Call& call, int64_t per_second) {
  const TemplateTime& time = call[0].as_time();
  auto whole = static_cast<__int128>(time.seconds) * per_second + time.nanos / (kSecond / per_second);
  return call.memory().text(std::to_string(static_cast<int64_t>(whole)));
}
Result<Value> unix_epoch_millis(const Call& call) { return epoch(call, 1000); }
Result<Value> unix_epoch_nanos(const Call& call) { return epoch(call, kSecond); }

Result<Value> to_date_in_zone(const Call& call) {
  const TimeZone* zone = call.run.zone(call.text(1));
  if (zone == nullptr) zone = call.run.zone("UTC");
  auto time = parse_template_time(call, call.text(0), call.text(2), zone);
  return call.memory().time(time ? *time : zero_time(call));
}

// By its length: days, seconds, milliseconds, microseconds or nanoseconds.
Result<Value> unix_to_time(const Call& call) {
  std::string_view text = call.text(0);
  auto wrong = [&](std::string_view what) {
    return fail(Errc::kInvalid, concat("unable to parse time '", text, "': ", what));
  };
  auto number = parse_go_integer(text, 10);
  if (!number) {
    std::string quoted;
    append_go_quoted(quoted, text);
    return wrong(concat("strconv.ParseInt: parsing ", quoted, ": invalid syntax"));
  }
  constexpr std::pair<size_t, int64_t> kUnits[] = {
      {5, 86400 * kSecond}, {10, kSecond}, {13, 1'000'000}, {16, 1'000}, {19, 1}};
  for (const auto& [length, unit] : kUnits) {
    UnixNanos nanos = 0;
    if (text.size() != length) continue;
    if (__builtin_mul_overflow(*number, unit, &nanos)) return wrong("out of range");
    return call.memory().time(time_of(call.run.zone("Local"), nanos));
  }
  return wrong("its length is none of 5, 10, 13, 16 and 19");
}

Result<Value> align(const Call& call, bool right) {
  int64_t wanted = call.integer(0);
  std::string_view text = call.text(1);
  auto letters =
      static_cast<int64_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
  if (wanted < 0 || wanted == letters) return call[1];
  if (wanted > letters) {
    if (static_cast<uint64_t>(wanted) > call.run.limits().memory_bytes) {
      return fail(Errc::kOverLimit, "align makes too long a text");
    }
    std::string blanks(static_cast<size_t>(wanted - letters), ' ');
    return call.memory().text(right ? concat(blanks, text) : concat(text, blanks));
  }
  size_t at = 0;
  for (int64_t skip = right ? letters - wanted : wanted; skip > 0; --skip) take_utf8(text, at);
  return Value::text(right ? text.substr(at) : text.substr(0, at));
}
Result<Value> align_left(const Call& call) { return align(call, false); }
Result<Value> align_right(const Call& call) { return align(call, true); }

Result<Value> b64dec(const Call& call) {
  std::string padded(call.text(0));
  while (padded.size() % 4 != 0) padded.push_back('=');
  auto decoded = decode_base64(padded);
  return call.memory().text(decoded ? *decoded : decoded.error().message);
}

constexpr TemplateFunction kOwn[] = {{"__line__", "", line},
                                     {"__timestamp__", "", timestamp},
                                     {"count", "ss", count},
                                     {"urlencode", "s", urlencode},
                                     {"urldecode", "s", urldecode},
                                     {"bytes", "s", bytes},
                                     {"duration", "s", duration},
                                     {"duration_seconds", "s", duration},
                                     {"unixEpochMillis", "t", unix_epoch_millis},
                                     {"unixEpochNanos", "t", unix_epoch_nanos},
                                     {"toDateInZone", "sss", to_date_in_zone},
                                     {"unixToTime", "s", unix_to_time},
                                     {"alignLeft", "is", align_left},
                                     {"alignRight", "is", align_right},
                                     {"b64dec", "s", b64dec}};

// Of the other files. `now`, `date` and so on read the clock of the run.
constexpr std::string_view kShared[] = {"lower",
                                        "upper",
                                        "title",
                                        "trim",
                                        "trimAll",
                                        "trimPrefix",
                                        "trimSuffix",
                                        "trunc",
                                        "substr",
                                        "replace",
                                        "repeat",
                                        "indent",
                                        "nindent",
                                        "contains",
                                        "hasPrefix",
                                        "hasSuffix",
                                        "int",
                                        "float64",
                                        "add",
                                        "sub",
                                        "mul",
                                        "div",
                                        "mod",
                                        "addf",
                                        "subf",
                                        "mulf",
                                        "divf",
                                        "max",
                                        "min",
                                        "maxf",
                                        "minf",
                                        "ceil",
                                        "floor",
                                        "round",
                                        "fromJson",
                                        "date",
                                        "toDate",
                                        "now",
                                        "unixEpoch",
                                        "default",
                                        "b64enc",
                                        "ToLower",
                                        "ToUpper",
                                        "TrimSpace",
                                        "Trim",
                                        "TrimLeft",
                                        "TrimRight",
                                        "TrimPrefix",
                                        "TrimSuffix",
                                        "Replace",
                                        "regexReplaceAll",
                                        "regexReplaceAllLiteral"};

std::vector<TemplateFunction> all_functions() {
  std::vector<TemplateFunction> all(std::begin(kOwn), std::end(kOwn));
  for (std::string_view name : kShared) all.push_back(*find_template_function(TemplateFunctions::kStage, name));
  return all;
}

}  // namespace

TemplateFunctionList logql_functions() {
  static const std::vector<TemplateFunction> kAll = all_functions();
  return kAll;
}

}  // namespace pipeline
