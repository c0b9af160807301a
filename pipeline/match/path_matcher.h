// PathMatcher: finds matches of simple regular expressions, with their groups, many times faster than RE2 does.
//
// It walks a PathProgram and comes back where two ways were possible, so it prefers what RE2 prefers: the leftmost
// match, and of those the one that the order of alternatives and the greed of quantifiers ask for. The work is bounded
// by the length of the text; beyond that, or where a class meets a character that it cannot judge, it gives up and the
// text is RE2's. For match/ only: Regex chooses.
//
// Thread:  any (immutable).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "pipeline/match/path_program.h"

namespace pipeline {

class PathMatcher {
 public:
  enum class Verdict : uint8_t { kNo, kYes, kGaveUp };

  // Nothing: the expression has something that is not simple. `pattern` is known to compile with RE2.
  static std::optional<PathMatcher> compile(std::string_view pattern, bool dot_is_any);

  // `text` is UTF-8. As Regex::find and Regex::full_find; without groups less work is allowed, as RE2 is then fast.
  Verdict find(std::string_view text, std::span<std::string_view> groups, size_t from = 0) const;
  Verdict full_find(std::string_view text, std::span<std::string_view> groups) const;

  // find() soon knows of a text that has no match: there are few places where one could begin.
  bool fails_fast() const { return search_.begins_at_text || search_.prefix.has_value(); }

 private:
  PathMatcher(PathProgram search, PathProgram full) : search_(std::move(search)), full_(std::move(full)) {}

  PathProgram search_, full_;
};

}  // namespace pipeline
