// Regex: the one door to RE2. Go's dialect (leftmost-first, no back-references), Go's error texts.
//
// Every expression is compiled by RE2. What a matcher of our own can run (path_matcher.h: texts, classes, groups, plain
// loops) is run by it, several times faster where there are groups; what it gives up on, RE2 decides.
//
// Life:    compiled once; a copy shares the compiled program.
// Thread:  any; matching is const.
// Limits:  program and automaton cache take at most 8 MiB, 64 MiB for very large expressions, and so does a search for
//          groups; beyond that an expression is `expression too large`.
// Errors:  kInvalid, "error parsing regexp: missing closing ): `a(b`", as Go's regexp/syntax words them.
// Bytes:   a text that is not UTF-8 is matched as Go does: every bad byte is one U+FFFD character.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

// `text`, but never with data() == nullptr: what Regex searches, so that offsets of groups are counted from its data().
inline constexpr char kEmptyText[] = "";
inline std::string_view searchable(std::string_view text) {
  return text.data() == nullptr ? std::string_view(kEmptyText, 0) : text;
}

enum class Dot { kNotNewline, kAny };  // kAny: as if the pattern were inside (?s:...)

// A text that every match contains; ASCII letters may differ in case where `ignore_case` is set.
struct RequiredLiteral {
  std::string text;
  bool ignore_case = false;
  bool operator==(const RequiredLiteral&) const = default;
};

class Regex {
 public:
  static Result<Regex> compile(std::string_view pattern, Dot dot = Dot::kNotNewline);

  const std::string& pattern() const;  // as it was given
  bool full_match(std::string_view text) const;
  bool partial_match(std::string_view text) const;

  // Groups, [0] is the whole match. Names are "" for groups without one.
  const std::vector<std::string>& group_names() const;
  size_t group_count() const { return group_names().size(); }  // with [0], so at least 1

  // The first match anywhere in `text` (find) or of all of it (full_find). Fills the first groups.size() groups with
  // views into searchable(text); a group that took no part has data() == nullptr. On false the groups are untouched.
  // `from`: matches begin there at the earliest; what is before still counts for ^ and \b.
  bool find(std::string_view text, std::span<std::string_view> groups, size_t from = 0) const;
  bool full_find(std::string_view text, std::span<std::string_view> groups) const;

  // Every match from the left, as Go's FindAll: an empty match right behind another one does not count; ^ and \b see
  // the whole text. Ends where `visit`, called with all groups, answers false.
  using Visit = std::function<bool(std::span<const std::string_view> groups)>;
  void each_match(std::string_view text, const Visit& visit) const;

  // Appends `form` with $1, ${1}, $name, ${name} and $$ replaced, as Go's Expand does: an unbraced name is the longest
  // run of letters, digits and _; an unknown group is empty; a malformed $ stays.
  void expand(std::string& out, std::string_view form, std::span<const std::string_view> groups) const;

  // Every partial match contains at least one of these. Empty: nothing can be said. Search for them over a whole page
  // first, and run the expression only on the lines in which one occurs. Of several possible sets the most selective.
  const std::vector<RequiredLiteral>& required_literals() const;
  // A partial match is the same as containing one of required_literals(): the expression itself need not be run.
  bool is_literals_only() const;
  // A full match is the same as being equal to one of these (an alternation of plain texts); empty: it is not so
  // simple.
  const std::vector<std::string>& literal_values() const;

 private:
  struct Program;
  explicit Regex(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

}  // namespace pipeline
