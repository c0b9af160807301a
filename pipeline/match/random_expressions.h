// RandomExpressions: regular expressions and texts to compare matchers on. For tests only.
#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <string_view>

#include "pipeline/base/concat.h"

namespace pipeline {

// Expressions made of pieces that meet each other in odd ways, most of them about few letters.
class RandomExpressions {
 public:
  explicit RandomExpressions(std::mt19937& random) : random_(random) {}

  std::string expression() { return concat(one_of(kFlags), alternation(3)); }
  std::string text() {
    std::string out;
    std::string_view run = one_of(kLetters);  // some longer runs, too
    for (size_t n = random_() % (random_() % 4 == 0 ? 90 : 20); n > 0; --n) {
      out += random_() % 3 == 0 ? run : one_of(kLetters);
    }
    return out;
  }

 private:
  static constexpr std::string_view kFlags[] = {"", "", "", "", "(?i)", "(?s)", "(?m)", "(?is)", "^", "^"};
  static constexpr std::string_view kLetters[] = {"a",        "a", "b", "b", "c", "B",           " ", " ",
                                                  "\"",       "[", "]", "-", "1", "7",           ":", "\n",
                                                  "\xc3\xa9", "_", "/", "k", "x", "\xe2\x82\xac"};
  static constexpr std::string_view kAtoms[] = {
      "a",           "b",        "c",           "ab",           " ",    "\"",    "\\[",
      "-",           "\\d",      "\\w",         "\\s",          "\\S",  "\\W",   "\\D",
      ".",           "[^ ]",     "[^\"]",       "[ab]",         "[^a]", "[a-c]", "[\\d:]",
      "[^\\]]",      "\xc3\xa9", "[b\xc3\xa9]", "\\b",          "^",    "$",     ":",
      "[[:alpha:]]", "\\x61",    "\\Qa b\\E",   "[[:^space:]]", "k",    "1"};
  static constexpr std::string_view kQuantifiers[] = {"*",   "+",     "?",     "*?",     "+?",  "??",
                                                      "{2}", "{1,3}", "{2,}?", "{0,2}?", "{1,}"};

  template <class Table>
  std::string_view one_of(const Table& table) {
    return table[random_() % std::size(table)];
  }

  std::string alternation(int depth) {
    std::string out = sequence(depth);
    while (random_() % 5 == 0) out += concat("|", sequence(depth));
    return out;
  }
  std::string sequence(int depth) {
    std::string out;
    for (size_t n = random_() % 5 + static_cast<size_t>(random_() % 8 != 0); n > 0; --n) {
      bool group = depth > 0 && random_() % 4 == 0;
      if (group) {
        out += concat(random_() % 3 == 0 ? "(?:" : random_() % 4 == 0 ? "(?P<n>" : "(", alternation(depth - 1), ")");
      } else {
        out += one_of(kAtoms);
      }
      if (random_() % 5 < 2) out += one_of(kQuantifiers);
    }
    return out;
  }

  std::mt19937& random_;
};

}  // namespace pipeline
