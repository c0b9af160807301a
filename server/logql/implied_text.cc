#include "server/logql/implied_text.h"

#include <algorithm>

namespace server {

namespace {

// Stands in a line as it stands in a label: neither made from other bytes nor written in two ways without a backslash.
bool stays_as_written(std::string_view value) {
  return !value.empty() &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

const LabelMatcher* find_equality(const LabelFilter& filter) {
  if (filter.kind == LabelFilter::Kind::kAnd) {
    for (const LabelFilter& operand : filter.operands)
      if (const LabelMatcher* found = find_equality(operand)) return found;
  }
  if (filter.kind != LabelFilter::Kind::kString || filter.matcher.op != MatchOp::kEqual) return nullptr;
  bool own_name = filter.matcher.name.starts_with("__");  // set by other stages than the parser
  return !own_name && stays_as_written(filter.matcher.value) ? &filter.matcher : nullptr;
}

}  // namespace

std::optional<ImpliedText> ImpliedText::of(const std::vector<Stage>& stages) {
  bool parsed = false;
  for (const Stage& stage : stages) {
    if (std::holds_alternative<LineFilterStage>(stage)) continue;
    if (const auto* json = std::get_if<JsonStage>(&stage); json != nullptr && json->extractions.empty()) {
      parsed = true;
    } else if (const auto* filter = std::get_if<LabelFilterStage>(&stage)) {
      const LabelMatcher* equality = find_equality(filter->filter);
      if (parsed && equality != nullptr) return ImpliedText(equality->name, equality->value);
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

bool ImpliedText::may_keep(std::string_view line) const {
  const size_t length = value_.literal().size();
  for (size_t at = value_.find(line); at != std::string_view::npos; at = value_.find(line, at + 1)) {
    // A whole value has quotes, a colon, a comma, a bracket or a space beside it.
    const bool begins = at == 0 || !is_letter_or_digit(line[at - 1]);
    if (begins && (at + length == line.size() || !is_letter_or_digit(line[at + length]))) return true;
  }
  return escape_.is_in(line);
}

}  // namespace server
