// What a regular expression says about plain texts: which literals every match contains. For regex.cc only.
//
// A small reader of RE2's syntax that keeps, for each part, either the finite set of texts it stands for or the best
// set of literals of which one must occur (after R. Cox, "Regular Expression Matching with a Trigram Index"). What it
// does not know it calls "anything", so the answer may be empty but is never wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/match/regex.h"

namespace pipeline {

struct RegexLiterals {
  std::vector<RequiredLiteral> required;  // see Regex::required_literals
  bool decides = false;                   // see Regex::is_literals_only
  std::vector<std::string> values;        // see Regex::literal_values
};

// `pattern` is known to compile.
RegexLiterals find_literals(std::string_view pattern);

}  // namespace pipeline
