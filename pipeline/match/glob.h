// Glob: path patterns as doublestar (and so Promtail and Alloy) reads them (agent.md 1.9, 11.17).
//
// *        any run without /          ?          one character that is not /
// **       as a whole component: any number of folders, also none; inside a component like *
// [a-z^]   a class, [^x] or [!x] its opposite       {a,b{c,d}}  alternatives, may contain /       \x  x itself
// Hidden files are nothing special. The pattern is cleaned lexically first (//, /./, /../, a trailing /).
// Thread:  any (immutable).
// Limits:  alternatives expand to at most 4096 plain patterns.
// Errors:  kInvalid: `syntax error in pattern "[a"`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline {

// Lexical cleaning as Go's path.Clean: "/a//b/../c/" -> "/a/c", "" -> ".".
std::string clean_path(std::string_view path);

class Glob {
 public:
  static Result<Glob> compile(std::string_view pattern);

  const std::string& pattern() const { return pattern_; }  // cleaned
  // The file at `path` is among what the pattern names. A ** at the end names what is below a folder, never the file
  // before it: /x/*/** is not /x/a.log.
  bool matches(std::string_view path) const;
  // The pattern fits `path` as a text, as exclusions are read: /x/*.log/** also fits /x/a.log.
  bool fits(std::string_view path) const;

  // The deepest folder that holds everything that can match: "/var/log" for "/var/log/*/a.log". Walk from here.
  const std::string& folder() const { return folder_; }
  // False: nothing below `folder` can match, do not walk or watch it. `folder` is given without a trailing /.
  bool may_match_below(std::string_view folder) const;
  bool is_literal() const { return literal_; }  // names one path: no special character

 private:
  // One component of one alternative, e.g. *.log.
  struct Component {
    bool any_folders = false;  // **
    bool literal = false;      // `text` is the name itself
    std::string text;
  };
  using Path = std::vector<Component>;

  Glob() = default;
  enum class AtEnd { kSomething, kMaybeNothing };  // what a ** at the end stands for
  static bool matches_from(const Path& pattern, size_t component, std::string_view path, AtEnd end);

  std::string pattern_, folder_;
  bool literal_ = false;
  std::vector<Path> alternatives_;
};

}  // namespace pipeline
