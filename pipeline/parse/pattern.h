// PatternParser: LogQL's `| pattern "<ip> - <_> <method>"` and the stage of that name (logql.md 4.9,
// agent.md 5.7, 11.11).
//
// Thread:  any (immutable).
// Errors:  kInvalid: `at least one capture is required`, `found consecutive capture '<a><b>': invalid expression`,
//          `duplicate capture name (a): invalid expression`; an empty pattern gives
//          `parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/literal_search.h"

namespace pipeline {

class PatternParser {
 public:
  static Result<PatternParser> compile(std::string_view pattern);

  const std::vector<std::string>& names() const { return names_; }  // of the captures, without <_>

  // Fills values[k] for names()[k], as views into `line`, and returns how many were found: the first ones. A capture
  // whose following literal is missing takes the rest of the line and is the last.
  size_t parse(std::string_view line, std::vector<std::string_view>& values) const;

 private:
  // A capture and the literal behind it.
  struct Capture {
    bool named = false;       // not <_>
    LiteralSearcher literal;  // empty: nothing follows, the capture takes the rest
  };
  std::string prefix_;  // the literal before the first capture
  std::vector<Capture> captures_;
  std::vector<std::string> names_;
};

}  // namespace pipeline
