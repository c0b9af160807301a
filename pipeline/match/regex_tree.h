// A regular expression as a tree, for matchers of our own. For match/ only.
//
// Reads the part of RE2's syntax that PathProgram can run: texts, classes (Perl and POSIX ones too), groups, choices,
// greedy and lazy quantifiers, anchors, word boundaries, \Q..\E, and the flags i, s and m. Unicode classes, octal
// escapes, the flag U, and \B (which RE2 finds inside characters) are refused: they are RE2's.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/match/repeat_count.h"

namespace pipeline {

// A set of characters: exact for ASCII; of all others it has none, has all, or may have some.
struct CharClass {
  enum class Beyond : uint8_t { kNone, kAll, kUnsure };

  std::array<uint64_t, 2> ascii{};
  Beyond beyond = Beyond::kNone;

  bool has(uint8_t c) const { return c < 0x80 && ((ascii[c >> 6] >> (c & 63)) & 1) != 0; }
  void add(uint8_t c) { ascii[c >> 6] |= uint64_t{1} << (c & 63); }
  void add_range(uint32_t first, uint32_t last);  // code points, both count
  void add(const CharClass& other);
  void negate();
  void ignore_case();  // k and s have partners beyond ASCII
};

enum class Assertion : uint8_t { kTextBegin, kTextEnd, kLineBegin, kLineEnd, kWordBoundary };

struct RegexNode {
  enum class Kind : uint8_t { kText, kClass, kAssertion, kSequence, kChoice, kRepeat, kGroup };
  static constexpr int kNoLimit = RepeatCount::kNoLimit;

  Kind kind = Kind::kSequence;
  std::string text;  // kText, UTF-8
  CharClass characters;
  Assertion assertion = Assertion::kTextBegin;
  std::vector<RegexNode> parts;  // kSequence, kChoice; one for kRepeat and kGroup
  int least = 0, most = kNoLimit;
  bool greedy = true;
  size_t group = 0;  // from 1

  bool may_be_empty() const;  // without reading a character
};

// `pattern` is known to compile with RE2. Nothing: it has something that this reader refuses.
std::optional<RegexNode> read_regex(std::string_view pattern, bool dot_is_any);

}  // namespace pipeline
