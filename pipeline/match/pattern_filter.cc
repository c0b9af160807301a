#include "pipeline/match/pattern_filter.h"

#include "pipeline/match/pattern_text.h"

namespace pipeline {

Result<PatternFilter> PatternFilter::compile(std::string_view pattern) {
  PatternFilter filter;
  std::vector<PatternPiece> pieces = split_pattern(pattern);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const PatternPiece& piece = pieces[i];
    if (!piece.is_capture) {
      filter.literals_.emplace_back(piece.text);
      continue;
    }
    if (piece.text != "_") {
      return fail(Errc::kInvalid, concat("named captures are not allowed: found '<", piece.text, ">'"));
    }
    if (i > 0 && pieces[i - 1].is_capture) {
      return fail(Errc::kInvalid, "found consecutive capture '<_><_>': invalid expression");
    }
  }
  filter.begins_with_wildcard_ = !pieces.empty() && pieces.front().is_capture;
  filter.ends_with_wildcard_ = !pieces.empty() && pieces.back().is_capture;
  return filter;
}

bool PatternFilter::matches(std::string_view line) const {
  bool empty_pattern = literals_.empty() && !begins_with_wildcard_;
  if (line.empty() || empty_pattern) return line.empty() && empty_pattern;
  size_t at = 0;
  for (size_t i = 0; i < literals_.size(); ++i) {
    size_t found = literals_[i].find(line, at);
    if (found == LiteralSearcher::npos) return false;
    bool first_node = i == 0 && !begins_with_wildcard_;
    if (found == at && !first_node) return false;  // the wildcard before it would be empty
    at = found + literals_[i].literal().size();
  }
  return ends_with_wildcard_ ? at < line.size() : at == line.size();
}

}  // namespace pipeline
