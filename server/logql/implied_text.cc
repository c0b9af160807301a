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

bool ImpliedText::may_keep(std::string_view line, MetadataView metadata) const {
  if (is_in(line)) return true;
  for (const auto& [name, value] : metadata)
    if (may_come_from(name)) return true;
  return false;
}

// A whole value has quotes, a colon, a comma, a bracket or a space beside it.
bool ImpliedText::is_whole_word(std::string_view line, size_t at) const {
  if (!whole_words_) return true;
  const size_t end = at + value_.literal().size();
  return (at == 0 || !is_letter_or_digit(line[at - 1])) && (end == line.size() || !is_letter_or_digit(line[end]));
}

bool ImpliedText::is_in(std::string_view line) const {
  for (size_t at = value_.find(line); at != std::string_view::npos; at = value_.find(line, at + 1))
    if (is_whole_word(line, at)) return true;
  return escape_.is_in(line);
}

void ImpliedText::select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
                         uint32_t begin) const {
  if (ends.empty()) return;
  text = text.substr(0, ends.back());
  size_t row = 0, value = value_.find(text, begin), escape = escape_.find(text, begin);
  for (;;) {
    const size_t hit = std::min(value, escape);
    if (hit == std::string_view::npos) return;
    row = static_cast<size_t>(std::upper_bound(ends.begin() + static_cast<std::ptrdiff_t>(row), ends.end(), hit) -
                              ends.begin());
    const size_t line_begin = row == 0 ? begin : ends[row - 1], line_end = ends[row];
    if (hit != escape) {
      const bool inside = hit + value_.literal().size() <= line_end;
      if (!inside || !is_whole_word(text.substr(line_begin, line_end - line_begin), hit - line_begin)) {
        value = value_.find(text, hit + 1);
        continue;
      }
    }
    rows.push_back(static_cast<uint32_t>(row));
    if (value < line_end) value = value_.find(text, line_end);
    if (escape < line_end) escape = escape_.find(text, line_end);
  }
}

}  // namespace server
