#include "pipeline/stage/argument_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>
#include <string>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/model/label_set.h"

namespace pipeline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number at the front of `rest`, which is taken off; nothing: there is none.
std::optional<double> take_number(std::string_view& rest) {
  double number = 0, scale = 1;
  bool any = false, behind_dot = false;
  size_t at = 0;
  for (; at < rest.size(); ++at) {
    const char c = rest[at];
    if (c == '.' && !behind_dot) {
      behind_dot = true;
      continue;
    }
    if (!is_digit(c)) break;
    any = true;
    if (behind_dot) {
      scale /= 10;
      number += scale * (c - '0');
    } else {
      number = number * 10 + (c - '0');
    }
  }
  if (!any) return std::nullopt;
  rest.remove_prefix(at);
  return number;
}

std::string_view take_unit(std::string_view& rest) {
  size_t at = 0;
  while (at < rest.size() && rest[at] != '.' && !is_digit(rest[at])) ++at;
  std::string_view unit = rest.substr(0, at);
  rest.remove_prefix(at);
  return unit;
}

bool take_sign(std::string_view& rest) {
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  return negative;
}

std::string go_quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

bool is_go_unit(std::string_view unit) {
  constexpr std::string_view kUnits[] = {"ns", "us", "\u00b5s", "\u03bcs", "ms", "s", "m", "h"};
  return std::find(std::begin(kUnits), std::end(kUnits), unit) != std::end(kUnits);
}

// In Go's words. `text` is known to be faulty.
std::string duration_fault(std::string_view text) {
  const std::string invalid = concat("time: invalid duration ", go_quoted(text));
  std::string_view rest = text;
  take_sign(rest);
  while (!rest.empty()) {
    if (!take_number(rest)) return invalid;
    const std::string_view unit = take_unit(rest);
    if (unit.empty()) return concat("time: missing unit in duration ", go_quoted(text));
    if (!is_go_unit(unit)) { return concat("time: unknown unit ", go_quoted(unit), " in duration ", go_quoted(text)); }
  }
  return invalid;
}

std::optional<double> size_unit(std::string_view unit) {
  if (unit == "B") return 1;
  if (!unit.ends_with('B')) return std::nullopt;
  unit.remove_suffix(1);
  if (unit.ends_with('i')) unit.remove_suffix(1);
  constexpr std::string_view kPrefixes = "KMGTPE";
  const size_t power = unit.size() == 1 ? kPrefixes.find(unit[0]) : std::string_view::npos;
  if (power == std::string_view::npos) return std::nullopt;
  return std::ldexp(1.0, 10 * (static_cast<int>(power) + 1));
}

}  // namespace

Result<int64_t> parse_argument_duration(std::string_view text) {
  auto duration = parse_duration(text);
  // Days, weeks and years are ours, not Go's.
  if (!duration || text.find_first_of("dwy") != std::string_view::npos) {
    return fail(Errc::kInvalid, duration_fault(text));
  }
  return duration->count();
}

Result<int64_t> parse_argument_size(std::string_view text) {
  std::string_view rest = text;
  const bool negative = take_sign(rest);
  if (rest == "0") return 0;
  double bytes = 0;
  bool any = false;
  while (!rest.empty() || !any) {
    auto number = take_number(rest);
    if (!number) return fail(Errc::kInvalid, concat("units: invalid ", text));
    const std::string_view name = take_unit(rest);
    const auto unit = size_unit(name);
    if (!unit) return fail(Errc::kInvalid, concat("units: unknown unit ", name, " in ", text));
    bytes += *number * *unit;
    any = true;
  }
  if (bytes >= static_cast<double>(std::numeric_limits<int64_t>::max())) {
    return fail(Errc::kInvalid, "units: overflow parsing unit");
  }
  return static_cast<int64_t>(negative ? -bytes : bytes);
}

}  // namespace pipeline
