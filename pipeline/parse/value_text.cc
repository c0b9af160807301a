#include "pipeline/parse/value_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "pipeline/base/concat.h"
#include "pipeline/model/label_set.h"

namespace pipeline {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equals_ignoring_case(std::string_view a, std::string_view lower_case) {
  if (a.size() != lower_case.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower_case[i]) return false;
  return true;
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

auto bad_float(std::string_view text, std::string_view why) {
  return fail(Errc::kInvalid, concat("strconv.ParseFloat: parsing ", quoted(text), ": ", why));
}

// Each _ stands between two digits (or after 0x); `digits` is text without sign.
bool underscores_fit(std::string_view digits, bool hex) {
  bool after_digit = hex;
  for (size_t i = hex ? 2 : 0; i < digits.size(); ++i) {
    const char c = lower(digits[i]);
    const bool digit = is_digit(c) || (hex && c >= 'a' && c <= 'f');
    if (c == '_' && !after_digit) return false;
    if (i > 0 && digits[i - 1] == '_' && !digit && c != '_') return false;
    after_digit = digit;
  }
  return digits.back() != '_';
}

}  // namespace

Result<double> parse_go_float(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  const double sign = negative ? -1 : 1;
  if (equals_ignoring_case(rest, "inf") || equals_ignoring_case(rest, "infinity"))
    return sign * std::numeric_limits<double>::infinity();
  if (equals_ignoring_case(text, "nan")) return std::numeric_limits<double>::quiet_NaN();
  const bool hex = rest.size() > 2 && rest[0] == '0' && lower(rest[1]) == 'x';
  std::string plain;
  std::string_view digits = hex ? rest.substr(2) : rest;
  if (rest.find('_') != std::string_view::npos) {
    if (!underscores_fit(rest, hex)) return bad_float(text, "invalid syntax");
    for (char c : digits)
      if (c != '_') plain += c;
    digits = plain;
  }
  // from_chars would take a sign, inf and nan here too.
  if (digits.empty() ||
      !(is_digit(digits[0]) || digits[0] == '.' || (hex && lower(digits[0]) >= 'a' && lower(digits[0]) <= 'f')))
    return bad_float(text, "invalid syntax");
  const bool has_p = digits.find('p') != std::string_view::npos || digits.find('P') != std::string_view::npos;
  if (hex && !has_p) return bad_float(text, "invalid syntax");
  double value = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value,
                                    hex ? std::chars_format::hex : std::chars_format::general);
  if (read.ptr != digits.data() + digits.size() || read.ec == std::errc::invalid_argument)
    return bad_float(text, "invalid syntax");
  if (read.ec == std::errc::result_out_of_range) {
    // Too small is zero for Go, too large is an error. from_chars does not tell them apart.
    const double wide = std::strtod(std::string(rest.substr(0, hex ? 2 : 0)).append(digits).c_str(), nullptr);
    if (std::isinf(wide)) return bad_float(text, "value out of range");
    value = wide;
  }
  return sign * value;
}

Result<int64_t> parse_go_duration(std::string_view text) {
  const auto invalid = [&] { return fail(Errc::kInvalid, concat("time: invalid duration ", quoted(text))); };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return 0;
  if (rest.empty()) return invalid();
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  uint64_t total = 0;
  while (!rest.empty()) {
    if (!is_digit(rest[0]) && rest[0] != '.') return invalid();
    uint64_t whole = 0, fraction = 0;
    double scale = 1;
    size_t at = 0;
    for (; at < rest.size() && is_digit(rest[at]); ++at) {
      if (whole > kLimit / 10) return invalid();
      whole = whole * 10 + static_cast<uint64_t>(rest[at] - '0');
      if (whole > kLimit) return invalid();
    }
    const bool has_whole = at > 0;
    bool has_fraction = false;
    if (at < rest.size() && rest[at] == '.') {
      const size_t point = at++;
      bool overflow = false;
      for (; at < rest.size() && is_digit(rest[at]); ++at) {
        if (overflow || fraction > (kLimit - 1) / 10) {
          overflow = true;
          continue;
        }
        fraction = fraction * 10 + static_cast<uint64_t>(rest[at] - '0');
        scale *= 10;
      }
      has_fraction = at > point + 1;
    }
    if (!has_whole && !has_fraction) return invalid();
    size_t end = at;
    while (end < rest.size() && rest[end] != '.' && !is_digit(rest[end])) ++end;
    if (end == at) return fail(Errc::kInvalid, concat("time: missing unit in duration ", quoted(text)));
    const std::string_view unit = rest.substr(at, end - at);
    uint64_t nanos = 0;
    if (unit == "ns") {
      nanos = 1;
    } else if (unit == "us" || unit == "\xc2\xb5s" || unit == "\xce\xbcs") {
      nanos = 1000;
    } else if (unit == "ms") {
      nanos = 1000000;
    } else if (unit == "s") {
      nanos = 1000000000;
    } else if (unit == "m") {
      nanos = 60000000000;
    } else if (unit == "h") {
      nanos = 3600000000000;
    } else {
      return fail(Errc::kInvalid, concat("time: unknown unit ", quoted(unit), " in duration ", quoted(text)));
    }
    if (whole > kLimit / nanos) return invalid();
    whole *= nanos;
    if (fraction > 0) {
      whole += static_cast<uint64_t>(static_cast<double>(fraction) * (static_cast<double>(nanos) / scale));
      if (whole > kLimit) return invalid();
    }
    total += whole;
    if (total > kLimit) return invalid();
    rest.remove_prefix(end);
  }
  if (negative) return static_cast<int64_t>(~total + 1);
  if (total > kLimit - 1) return invalid();
  return static_cast<int64_t>(total);
}

Result<int64_t> parse_prometheus_duration(std::string_view text) {
  struct Unit {
    std::string_view name;
    int place;
    uint64_t nanos;
  };
  constexpr uint64_t kHour = 3600000000000;
  constexpr Unit kUnits[] = {
      {"y", 1, 365 * 24 * kHour}, {"w", 2, 7 * 24 * kHour}, {"d", 3, 24 * kHour}, {"h", 4, kHour},
      {"m", 5, 60000000000},      {"s", 6, 1000000000},     {"ms", 7, 1000000}};
  if (text == "0") return 0;
  if (text.empty()) return fail(Errc::kInvalid, "empty duration string");
  const auto invalid = [&] { return fail(Errc::kInvalid, concat("not a valid duration string: ", quoted(text))); };
  constexpr uint64_t kLimit = uint64_t{1} << 63;
  uint64_t total = 0;
  int last_place = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    uint64_t number = 0;
    const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (read.ec != std::errc() || !is_digit(rest[0])) return invalid();
    rest.remove_prefix(static_cast<size_t>(read.ptr - rest.data()));
    size_t end = 0;
    while (end < rest.size() && !is_digit(rest[end])) ++end;
    if (end == 0) return invalid();
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(end);
    const Unit* unit = nullptr;
    for (const Unit& known : kUnits)
      if (known.name == name) unit = &known;
    if (!unit) return fail(Errc::kInvalid, concat("unknown unit ", quoted(name), " in duration ", quoted(text)));
    if (unit->place <= last_place) return invalid();
    last_place = unit->place;
    if (number > kLimit / unit->nanos) return fail(Errc::kInvalid, "duration out of range");
    total += number * unit->nanos;
    if (total > kLimit - 1) return fail(Errc::kInvalid, "duration out of range");
  }
  return static_cast<int64_t>(total);
}

namespace {

// The factor of a unit in any case: "", "b", "kb", "KiB". 0: there is no such unit.
double size_factor(std::string_view unit) {
  if (unit.empty() || equals_ignoring_case(unit, "b")) return 1;
  const size_t power = std::string_view("kmgtpe").find(lower(unit[0]));
  const std::string_view tail = unit.substr(1);
  if (power == std::string_view::npos) return 0;
  if (equals_ignoring_case(tail, "i") || equals_ignoring_case(tail, "ib"))
    return std::pow(1024.0, static_cast<double>(power + 1));
  return tail.empty() || equals_ignoring_case(tail, "b") ? std::pow(1000.0, static_cast<double>(power + 1)) : 0;
}

}  // namespace

Result<uint64_t> parse_human_bytes(std::string_view text) {
  size_t at = 0;
  bool commas = false;
  for (; at < text.size() && (is_digit(text[at]) || text[at] == '.' || text[at] == ','); ++at)
    commas |= text[at] == ',';
  std::string plain;
  std::string_view digits = text.substr(0, at);
  if (commas) {
    for (char c : digits)
      if (c != ',') plain += c;
    digits = plain;
  }
  TRY_LET(const double number, parse_go_float(digits));
  std::string_view unit = text.substr(at);
  while (!unit.empty() && (unit.front() == ' ' || unit.front() == '\t')) unit.remove_prefix(1);
  while (!unit.empty() && (unit.back() == ' ' || unit.back() == '\t')) unit.remove_suffix(1);
  const double factor = size_factor(unit);
  if (factor == 0) {
    std::string name;
    for (char c : unit) name += lower(c);
    return fail(Errc::kInvalid, concat("unhandled size name: ", name));
  }
  const double bytes = number * factor;
  if (bytes >= 18446744073709551615.0) return fail(Errc::kInvalid, concat("too large: ", text));
  return static_cast<uint64_t>(bytes);
}

std::string prometheus_duration_text(int64_t nanos) {
  struct Unit {
    const char* name;
    int64_t millis;
    bool exact_only;
  };
  static constexpr Unit kUnits[] = {
      {"y", 31'536'000'000, true}, {"w", 604'800'000, true}, {"d", 86'400'000, false}, {"h", 3'600'000, false},
      {"m", 60'000, false},        {"s", 1000, false},       {"ms", 1, false}};
  int64_t millis = nanos / 1'000'000;
  std::string out;
  for (const Unit& unit : kUnits) {
    if (unit.exact_only && millis % unit.millis != 0) continue;
    if (int64_t count = millis / unit.millis; count > 0) {
      out += concat(count, unit.name);
      millis -= count * unit.millis;
    }
  }
  return out.empty() ? "0s" : out;
}

}  // namespace pipeline
