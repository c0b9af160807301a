// The pieces of LogQL's patterns, shared by the pattern filter and the pattern parser: `<name>` with a name
// [A-Za-z_][A-Za-z0-9_]* is a capture, everything else (also <>, <1a>, <a-b>) is literal text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

struct PatternPiece {
  bool is_capture = false;
  std::string text;  // the name, or the literal (adjacent literals are one piece)
};

std::vector<PatternPiece> split_pattern(std::string_view pattern);

}  // namespace pipeline
