#include "server/logql/implied_text.h"

#include <algorithm>

namespace server {

namespace {

// Stands in a line as it stands in a label: neither made from other bytes nor written in two ways without a backslash.
bool stays_as_written(std::string_view value) {
  return !value.empty() &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

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

bool ImpliedText::may_keep(std::string_view line) const { return value_.is_in(line) || escape_.is_in(line); }

}  // namespace server
