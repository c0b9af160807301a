// PatternFilter: LogQL's |> and !> patterns: literals and <_> wildcards, leftmost, without backtracking
// (logql.md 4.3.1). Thread: any (immutable). Errors: kInvalid: `named captures are not allowed: found '<a>'`, `found
// consecutive capture '<_><_>': invalid expression`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/literal_search.h"

namespace pipeline {

class PatternFilter {
 public:
  static Result<PatternFilter> compile(std::string_view pattern);
  bool matches(std::string_view line) const;
  // In order; every match contains all of them.
  const std::vector<LiteralSearcher>& literals() const { return literals_; }

 private:
  PatternFilter() = default;
  std::vector<LiteralSearcher> literals_;
  bool begins_with_wildcard_ = false, ends_with_wildcard_ = false;
};

}  // namespace pipeline
