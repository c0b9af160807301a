#include "pipeline/match/repeat_count.h"

#include <algorithm>
#include <charconv>

namespace pipeline {

namespace {

constexpr size_t kMostDigits = 5;

// Moves behind the number; none: nothing is taken.
std::optional<int> take_number(std::string_view& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0 || digits > kMostDigits || (digits > 1 && text[0] == '0')) return std::nullopt;
  int number = 0;
  std::from_chars(text.data(), text.data() + digits, number);
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::optional<RepeatCount> read_repeat_count(std::string_view text) {
  const size_t whole = text.size();
  RepeatCount out;
  if (!take(text, '{')) return std::nullopt;
  auto least = take_number(text);
  if (!least) return std::nullopt;
  out.least = out.most = *least;
  if (take(text, ',')) out.most = take_number(text).value_or(RepeatCount::kNoLimit);
  if (!take(text, '}')) return std::nullopt;
  out.size = whole - text.size();
  return out;
}

}  // namespace pipeline
