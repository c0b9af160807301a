#include "server/logql/implied_text.h"

#include <algorithm>

namespace server {

bool stays_as_written(std::string_view value) {
  return !value.empty() &&
         std::all_of(value.begin(), value.end(), [](char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; });
}

namespace {

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// The equality with the longest value, of those that all must hold.
void find_equality(const LabelFilter& filter, const LabelMatcher*& best) {
  if (filter.kind == LabelFilter::Kind::kAnd)
    for (const LabelFilter& operand : filter.operands) find_equality(operand, best);
  if (filter.kind != LabelFilter::Kind::kString || filter.matcher.op != MatchOp::kEqual) return;
  const bool own_name = filter.matcher.name.starts_with("__");  // set by other stages than the parser
  if (own_name || !stays_as_written(filter.matcher.value)) return;
  if (!best || filter.matcher.value.size() > best->value.size()) best = &filter.matcher;
}

}  // namespace

std::optional<ImpliedText> ImpliedText::of(const std::vector<Stage>& stages) {
  bool parsed = false, whole_words = true;
  const LabelMatcher* best = nullptr;
  for (const Stage& stage : stages) {
    if (std::holds_alternative<LineFilterStage>(stage)) continue;
    if (const auto* filter = std::get_if<LabelFilterStage>(&stage)) {
      if (parsed) find_equality(filter->filter, best);
    } else if (std::holds_alternative<JsonStage>(stage) || std::holds_alternative<LogfmtStage>(stage)) {
      parsed = true;
    } else if (std::holds_alternative<RegexpStage>(stage) || std::holds_alternative<PatternStage>(stage)) {
      parsed = true;
      whole_words = false;
    } else {
      break;
    }
  }
  if (!best) return std::nullopt;
  return ImpliedText(best->name, best->value, whole_words);
}

bool ImpliedText::applies_to(const pipeline::LabelSet& stream) const { return !stream.get(name_); }

// A pair that makes way for a label of the stream is called name_extracted.
bool ImpliedText::may_keep(std::string_view line, MetadataView metadata) const {
  if (is_in(line)) return true;
  for (const auto& [name, value] : metadata)
    if (name_.starts_with(name)) return true;
  return false;
}

bool ImpliedText::is_in(std::string_view line) const {
  const size_t length = value_.literal().size();
  for (size_t at = value_.find(line); at != std::string_view::npos; at = value_.find(line, at + 1)) {
    if (!whole_words_) return true;
    // A whole value has quotes, a colon, a comma, a bracket or a space beside it.
    const bool begins = at == 0 || !is_letter_or_digit(line[at - 1]);
    if (begins && (at + length == line.size() || !is_letter_or_digit(line[at + length]))) return true;
  }
  return escape_.is_in(line);
}

}  // namespace server
