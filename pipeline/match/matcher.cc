#include "pipeline/match/matcher.h"

#include <algorithm>

namespace pipeline {

std::string_view match_op_text(MatchOp op) {
  switch (op) {
    case MatchOp::kEqual: return "=";
    case MatchOp::kNotEqual: return "!=";
    case MatchOp::kRegex: return "=~";
    case MatchOp::kNotRegex: return "!~";
  }
  return "";
}

Result<Matcher> Matcher::create(std::string name, MatchOp op, std::string value, Dot dot) {
  Matcher matcher(std::move(name), op, std::move(value));
  if (op == MatchOp::kRegex || op == MatchOp::kNotRegex) {
    TRY_LET(matcher.regex_, Regex::compile(matcher.value_, dot));
  }
  return matcher;
}

bool Matcher::matches(std::string_view label_value) const {
  bool negative = op_ == MatchOp::kNotEqual || op_ == MatchOp::kNotRegex;
  if (!regex_) return (label_value == value_) != negative;
  const std::vector<std::string>& values = regex_->literal_values();
  if (values.empty()) return regex_->full_match(label_value) != negative;
  return (std::find(values.begin(), values.end(), label_value) != values.end()) != negative;
}

std::span<const std::string> Matcher::only_values() const {
  if (op_ == MatchOp::kEqual) return {&value_, 1};
  if (op_ == MatchOp::kRegex) return regex_->literal_values();
  return {};
}

std::string Matcher::text() const {
  std::string out = concat(name_, match_op_text(op_));
  append_quoted(out, value_);
  return out;
}

bool matches_all(std::span<const Matcher> matchers, const LabelSet& set) {
  return std::all_of(matchers.begin(), matchers.end(), [&](const Matcher& m) { return m.matches(set); });
}

}  // namespace pipeline
