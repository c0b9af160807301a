// Selector: the condition of the `match` stage: {app="web", env=~"p.*"} |= "text" !~ "re" (agent.md 5.13).
//
// Label matchers and line filters only; a smaller language than LogQL's, with its own faults. Thread: any (immutable).
// Errors: kInvalid: `parse error at line 1, col 2: syntax error: unexpected }, expecting IDENTIFIER`; a bad regular
// expression gives the text of Regex.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/line_filter.h"
#include "pipeline/match/matcher.h"

namespace pipeline {

class Selector {
 public:
  static Result<Selector> parse(std::string_view text);

  bool matches_labels(const LabelSet& labels) const { return matches_all(matchers_, labels); }
  bool matches_line(std::string_view line) const { return filters_.keeps(line); }

 private:
  Selector(std::vector<Matcher> matchers, LineFilters filters)
      : matchers_(std::move(matchers)), filters_(std::move(filters)) {}
  std::vector<Matcher> matchers_;
  LineFilters filters_;
};

}  // namespace pipeline
