// RepeatCount: how often a part of a regular expression may come, as written behind it: {2}, {2,}, {2,3}. Anything else
// is a literal brace, also {,3} and {02}, as for RE2 and Go.
// Thread: any.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace pipeline {

struct RepeatCount {
  static constexpr int kNoLimit = -1;
  int least = 0, most = kNoLimit;
  size_t size = 0;  // of the text, in bytes
};

// Of the count that `text` begins with.
std::optional<RepeatCount> read_repeat_count(std::string_view text);

}  // namespace pipeline
