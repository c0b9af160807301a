// LineLevels: the levels that LevelDetector::of_line found in the lines of one push, by the numbers of its entries: the
// log keeps them beside the push, so that a replay need not look for them again.
//
//   four bits an entry, the even ones lower: 0 = its line was not looked at (its labels or metadata tell the level), or
//   the number of its level in kLineLevels + 1
//
// Thread:  any one. Cost: half a byte an entry.
// Errors:  any bytes are safe: numbers that mean nothing are none.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/invariant.h"

namespace server {

// The order is that of the log: new ones come behind.
inline constexpr std::string_view kLineLevels[] = {"unknown", "info",  "error",    "warn",
                                                   "debug",   "trace", "critical", "fatal"};

// Its place among them, by its first letter: a jump for each could not be guessed.
inline size_t line_level_number(std::string_view level) {
  static constexpr auto kNumbers = [] {
    std::array<uint8_t, 256> numbers{};
    for (size_t i = 0; i < std::size(kLineLevels); ++i)
      numbers[static_cast<unsigned char>(kLineLevels[i].front())] = static_cast<uint8_t>(i);
    return numbers;
  }();
  return kNumbers[static_cast<unsigned char>(level.front())];
}

class LineLevels {
 public:
  LineLevels() = default;
  explicit LineLevels(std::string bytes) : bytes_(std::move(bytes)) {}

  // Once for an entry. `level` is one of kLineLevels.
  void note(size_t entry, std::string_view level) {
    const size_t number = line_level_number(level);
    DEBUG_INVARIANT(kLineLevels[number] == level);
    if (entry / 2 >= bytes_.size()) bytes_.resize(entry / 2 + 1);
    bytes_[entry / 2] = static_cast<char>(bytes_[entry / 2] | (number + 1) << (entry % 2 * 4));
  }
  // In kLineLevels.
  std::optional<size_t> number_of(size_t entry) const {
    if (entry / 2 >= bytes_.size()) return std::nullopt;
    const unsigned bits = static_cast<unsigned char>(bytes_[entry / 2]) >> (entry % 2 * 4) & 15;
    if (bits == 0 || bits > std::size(kLineLevels)) return std::nullopt;
    return bits - 1;
  }
  std::optional<std::string_view> of(size_t entry) const {
    const auto number = number_of(entry);
    return number ? std::optional(kLineLevels[*number]) : std::nullopt;
  }

  std::string take_bytes() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

}  // namespace server
