#include "agent/source/rotated_name.h"

#include <algorithm>
#include <charconv>

#include "agent/source/gzip_file.h"

namespace agent {

namespace {
constexpr size_t kMostDigits = 5;  // of a number; more are a date
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_separator(char c) { return c == '.' || c == '-' || c == '_'; }

// What stands for the rotation in `name`, its separator included: behind the whole live name, or before its extension.
std::optional<std::string_view> rotation_part(std::string_view live, std::string_view name) {
  if (live.empty() || name.size() <= live.size()) return std::nullopt;
  if (name.starts_with(live)) return name.substr(live.size());
  size_t dot = live.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return std::nullopt;
  std::string_view stem = live.substr(0, dot), extension = live.substr(dot);
  if (!name.starts_with(stem) || !name.ends_with(extension)) return std::nullopt;
  return name.substr(stem.size(), name.size() - live.size());
}
}  // namespace

std::optional<RotatedName> RotatedName::parse(std::string_view live, std::string_view name) {
  RotatedName rotated;
  rotated.gzip = is_gzip_name(name);
  if (rotated.gzip) name.remove_suffix(3);
  auto part = rotation_part(live, name);
  if (!part || part->size() < 2 || !is_separator(part->front())) return std::nullopt;
  std::string_view text = part->substr(1);
  if (text == "old") {
    rotated.time = "old";
    return rotated;
  }
  if (!is_digit(text.front())) return std::nullopt;
  for (char c : text)
    if (!is_digit(c) && !is_separator(c) && c != 'T' && c != 'Z' && c != ':' && c != '+') return std::nullopt;
  uint32_t number = 0;
  auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.size() <= kMostDigits && parsed.ptr == text.data() + text.size())
    rotated.number = number;
  else
    rotated.time = text;
  return rotated;
}

std::optional<bool> RotatedName::newer_than(const RotatedName& other) const {
  if (number && other.number) return *number < *other.number;
  if (number || other.number || time == other.time) return std::nullopt;
  return time > other.time;
}

bool is_name_or_rotation(std::string_view former_path, std::string_view path) {
  auto name = [](std::string_view of) { return of.substr(of.rfind('/') + 1); };
  return former_path == path || RotatedName::parse(name(former_path), name(path)).has_value();
}

}  // namespace agent
