#include "pipeline/base/quantity.h"

#include <array>
#include <charconv>
#include <cmath>

namespace pipeline {

namespace {

using std::chrono::nanoseconds;

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array<Unit, 11> kDurationUnits = {{{"ns", 1},
                                                  {"us", 1e3},
                                                  {"µs", 1e3},
                                                  {"μs", 1e3},
                                                  {"ms", 1e6},
                                                  {"s", 1e9},
                                                  {"m", 60e9},
                                                  {"h", 3600e9},
                                                  {"d", 86400e9},
                                                  {"w", 7 * 86400e9},
                                                  {"y", 365 * 86400e9}}};

bool is_number_char(char c) { return (c >= '0' && c <= '9') || c == '.'; }

// Takes the leading decimal number off `text`; false if there is none.
bool take_number(std::string_view& text, double& value) {
  size_t n = 0;
  while (n < text.size() && is_number_char(text[n])) ++n;
  auto [end, error] = std::from_chars(text.data(), text.data() + n, value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + n || n == 0) return false;
  text.remove_prefix(n);
  return true;
}

std::string_view take_unit(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && !is_number_char(text[n])) ++n;
  std::string_view unit = text.substr(0, n);
  text.remove_prefix(n);
  return unit;
}

}  // namespace

Result<nanoseconds> parse_duration(std::string_view text) {
  std::string_view rest = text;
  double sign = 1;
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) sign = rest[0] == '-' ? -1 : 1, rest.remove_prefix(1);
  if (rest == "0") return nanoseconds(0);
  if (rest.empty()) return fail(Errc::kInvalid, concat("invalid duration \"", text, "\": empty"));
  double total = 0;
  while (!rest.empty()) {
    double value = 0;
    if (!take_number(rest, value)) return fail(Errc::kInvalid, concat("invalid duration \"", text, "\""));
    std::string_view unit = take_unit(rest);
    if (unit.empty())
      return fail(Errc::kInvalid, concat("invalid duration \"", text, "\": missing unit, as in \"5s\""));
    double factor = 0;
    for (const Unit& u : kDurationUnits) {
      if (u.name == unit) factor = u.factor;
    }
    if (factor == 0) {
      return fail(Errc::kInvalid, concat("invalid duration \"", text, "\": unknown unit \"", unit,
                                         "\" (use ns, us, ms, s, m, h, d, w or y)"));
    }
    total += value * factor;
  }
  if (total > 9.2e18) return fail(Errc::kInvalid, concat("invalid duration \"", text, "\": longer than 292 years"));
  return nanoseconds(static_cast<int64_t>(std::llround(sign * total)));
}

std::string format_duration(nanoseconds duration) {
  int64_t n = duration.count();
  if (n == 0) return "0s";
  std::string out = n < 0 ? "-" : "";
  uint64_t v = n < 0 ? 0 - static_cast<uint64_t>(n) : static_cast<uint64_t>(n);
  auto with_fraction = [](uint64_t whole, uint64_t fraction, int digits) {
    std::string text = std::to_string(whole);
    if (fraction == 0) return text;
    std::string f = std::to_string(fraction);
    f.insert(0, static_cast<size_t>(digits) - f.size(), '0');
    while (f.back() == '0') f.pop_back();
    return text + "." + f;
  };
  if (v < 1'000) return out + std::to_string(v) + "ns";
  if (v < 1'000'000) return out + with_fraction(v / 1'000, v % 1'000, 3) + "µs";
  if (v < 1'000'000'000) return out + with_fraction(v / 1'000'000, v % 1'000'000, 6) + "ms";
  uint64_t seconds = v / 1'000'000'000;
  if (seconds >= 3600) out += std::to_string(seconds / 3600) + "h";
  if (seconds >= 60) out += std::to_string(seconds / 60 % 60) + "m";
  return out + with_fraction(seconds % 60, v % 1'000'000'000, 9) + "s";
}

Result<uint64_t> parse_size(std::string_view text) {
  std::string_view rest = text;
  double value = 0;
  if (!take_number(rest, value))
    return fail(Errc::kInvalid, concat("invalid size \"", text, "\" (as in \"64KiB\", \"1MB\" or bare bytes)"));
  while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
  double factor = rest.empty() || rest == "B" || rest == "b" ? 1 : 0;
  static constexpr std::string_view kPrefixes = "kMGTP";
  for (size_t i = 0; factor == 0 && i < kPrefixes.size(); ++i) {
    if ((rest[0] | 0x20) != (kPrefixes[i] | 0x20)) continue;
    std::string_view tail = rest.substr(1);
    if (tail == "iB" || tail == "i") factor = std::pow(1024, static_cast<double>(i + 1));
    if (tail == "B") factor = std::pow(1000, static_cast<double>(i + 1));
  }
  if (factor == 0)
    return fail(Errc::kInvalid,
                concat("invalid size \"", text, "\": unknown unit \"", rest, "\" (use KiB, MiB, GiB or kB, MB, GB)"));
  double bytes = value * factor;
  if (bytes > 9e18) return fail(Errc::kInvalid, concat("invalid size \"", text, "\": too large"));
  return static_cast<uint64_t>(bytes);
}

}  // namespace pipeline
