#include "agent/journal/bookmark.h"

#include <charconv>

#include "pipeline/base/concat.h"

namespace agent {

namespace {
constexpr std::string_view kStep = ";n=";
}  // namespace

std::string Bookmark::text() const { return step == 0 ? cursor : pipeline::concat(cursor, kStep, step); }

Bookmark Bookmark::parse(std::string_view text) {
  Bookmark bookmark;
  size_t at = text.find(kStep);
  bookmark.cursor = text.substr(0, at);
  if (at == std::string_view::npos) return bookmark;
  std::string_view digits = text.substr(at + kStep.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), bookmark.step);
  return bookmark;
}

std::string_view cursor_part(std::string_view cursor, char letter) {
  while (!cursor.empty()) {
    size_t end = cursor.find(';');
    std::string_view part = cursor.substr(0, end);
    if (part.size() >= 2 && part[0] == letter && part[1] == '=') return part.substr(2);
    cursor = end == std::string_view::npos ? std::string_view() : cursor.substr(end + 1);
  }
  return {};
}

uint64_t cursor_number(std::string_view cursor, char letter) {
  std::string_view digits = cursor_part(cursor, letter);
  uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
}

bool is_copy(std::string_view cursor, std::string_view other) {
  for (char letter : {'b', 'm', 'x'})
    if (cursor_part(cursor, letter).empty() || cursor_part(cursor, letter) != cursor_part(other, letter)) return false;
  return true;
}

}  // namespace agent
