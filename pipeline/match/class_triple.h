// ClassTriple: three neighbouring bytes, each of a set, that every match of a regular expression holds, some number of
// times: of `(\d{1,3}[.:]){3}\d{1,3}` a digit, a dot or colon, and a digit, three times. A line without them is passed
// by at 32 bytes a step. For expressions that have no literal to search for.
//
// Thread: any (immutable).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string_view>

#include "pipeline/match/regex_steps.h"

namespace pipeline {

class ClassTriple {
 public:
  // The one that fewest lines hold; nothing where each is in most of them.
  static std::optional<ClassTriple> of(const RegexSteps& steps);

  // False: the line text[begin, end) holds no match. Bytes of `text` beside it may be read and do not matter.
  bool is_in(std::string_view text, size_t begin, size_t end) const;

  uint32_t times() const { return times_; }

 private:
  using Bytes = std::bitset<256>;
  ClassTriple() = default;
  uint32_t count(const char* first, const char* last) const;
  bool has_avx2(std::string_view text, const char* first, const char* last) const;

  // Of the byte before, the byte itself, the byte behind.
  std::array<Bytes, 3> bytes_;
  std::array<std::array<uint8_t, 16>, 3>
      low_{};                         // by the low half of an ASCII byte: bits of the high halves in the set
  std::array<uint32_t, 3> beyond_{};  // all ones: bytes beyond ASCII are in it
  uint32_t times_ = 1;
};

}  // namespace pipeline
