#include "pipeline/parse/pattern.h"

#include <algorithm>

#include "pipeline/match/pattern_text.h"

namespace pipeline {

Result<PatternParser> PatternParser::compile(std::string_view pattern) {
  if (pattern.empty()) {
    return fail(Errc::kInvalid,
                "parse error at line 1, col 1: syntax error: unexpected $end, expecting IDENTIFIER or LITERAL");
  }
  PatternParser parser;
  std::vector<PatternPiece> pieces = split_pattern(pattern);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const PatternPiece& piece = pieces[i];
    if (!piece.is_capture) {
      if (i == 0) parser.prefix_ = piece.text;
      continue;
    }
    bool last = i + 1 == pieces.size();
    if (!last && pieces[i + 1].is_capture) {
      return fail(Errc::kInvalid, concat("found consecutive capture '<", piece.text, "><", pieces[i + 1].text,
                                         ">': invalid expression"));
    }
    bool named = piece.text != "_";
    if (named) {
      if (std::find(parser.names_.begin(), parser.names_.end(), piece.text) != parser.names_.end()) {
        return fail(Errc::kInvalid, concat("duplicate capture name (", piece.text, "): invalid expression"));
      }
      parser.names_.push_back(piece.text);
    }
    parser.captures_.push_back({named, LiteralSearcher(last ? std::string_view() : pieces[i + 1].text)});
  }
  if (parser.names_.empty()) return fail(Errc::kInvalid, "at least one capture is required");
  return parser;
}

size_t PatternParser::parse(std::string_view line, std::vector<std::string_view>& values) const {
  values.resize(names_.size());
  if (line.empty() || !line.starts_with(prefix_)) return 0;
  line.remove_prefix(prefix_.size());
  size_t found = 0;
  for (const Capture& capture : captures_) {
    const std::string& literal = capture.literal.literal();
    size_t end = literal.empty() ? LiteralSearcher::npos : capture.literal.find(line);
    if (capture.named) values[found++] = line.substr(0, end);
    if (end == LiteralSearcher::npos) break;
    line.remove_prefix(end + literal.size());
  }
  return found;
}

}  // namespace pipeline
