#include "pipeline/match/pattern_text.h"

#include "pipeline/model/label_set.h"

namespace pipeline {

std::vector<PatternPiece> split_pattern(std::string_view pattern) {
  std::vector<PatternPiece> pieces;
  auto add_literal = [&](char c) {
    if (pieces.empty() || pieces.back().is_capture) pieces.push_back({});
    pieces.back().text.push_back(c);
  };
  for (size_t at = 0; at < pattern.size();) {
    size_t end = pattern[at] == '<' ? pattern.find('>', at) : std::string_view::npos;
    if (end != std::string_view::npos && is_label_name(pattern.substr(at + 1, end - at - 1))) {
      pieces.push_back({.is_capture = true, .text = std::string(pattern.substr(at + 1, end - at - 1))});
      at = end + 1;
    } else {
      add_literal(pattern[at++]);
    }
  }
  return pieces;
}

}  // namespace pipeline
