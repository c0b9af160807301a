#include "server/logql/implied_text.h"

#include <algorithm>

#include "pipeline/match/loose_texts.h"

namespace server {

using pipeline::LiteralSearcher;
using pipeline::RequiredLiteral;

bool stays_as_written(std::string_view value) {
  static constexpr std::string_view kNever = "\"\\[]{},";
  return !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return c > ' ' && c <= '~' && kNever.find(c) == std::string_view::npos;
  });
}

std::vector<RequiredLiteral> required_in_values(const std::string& pattern) {
  if (auto loose = pipeline::LooseTexts::of(pattern)) return loose->required();
  auto regex = pipeline::Regex::compile(pattern);
  return regex ? regex->required_literals() : std::vector<RequiredLiteral>();
}

namespace {

constexpr size_t kMostTexts = 8;     // each is searched for in every line
constexpr size_t kShortestPart = 2;  // of a value: one character is in nearly every line

bool is_letter_or_digit(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

}  // namespace

// What a label filter says: a value of one of these labels has one of these texts.
struct ImpliedText::Implication {
  struct Part {
    RequiredLiteral literal;
    bool is_value;  // all of a value
  };
  std::vector<std::string> labels;
  std::vector<Part> parts;

  size_t shortest() const {
    size_t length = SIZE_MAX;
    for (const Part& part : parts) length = std::min(length, part.literal.text.size());
    return length;
  }
  bool says_more_than(const Implication& other) const { return shortest() > other.shortest(); }

  static std::optional<Implication> of(const LabelMatcher& matcher) {
    if (matcher.name.starts_with("__")) return std::nullopt;  // set by other stages than the parser
    Implication out{{matcher.name}, {}};
    if (matcher.op == MatchOp::kEqual) {
      out.parts.push_back({{matcher.value, false}, true});
    } else if (matcher.op == MatchOp::kRegex) {
      for (RequiredLiteral& literal : required_in_values(matcher.value))
        out.parts.push_back({std::move(literal), false});
      if (out.parts.empty() || out.shortest() < kShortestPart) return std::nullopt;
    } else {
      return std::nullopt;
    }
    const bool plain = std::all_of(out.parts.begin(), out.parts.end(),
                                   [](const Part& part) { return stays_as_written(part.literal.text); });
    if (!plain) return std::nullopt;
    return out;
  }

  // `and`: the side that says more; `or`: both.
  static std::optional<Implication> of(const LabelFilter& filter) {
    if (filter.kind == LabelFilter::Kind::kString) return of(filter.matcher);
    const bool both = filter.kind == LabelFilter::Kind::kAnd;
    if (!both && filter.kind != LabelFilter::Kind::kOr) return std::nullopt;
    std::optional<Implication> out;
    for (const LabelFilter& operand : filter.operands) {
      auto side = of(operand);
      if (both) {
        if (side && (!out || side->says_more_than(*out))) out = std::move(side);
        continue;
      }
      if (!side) return std::nullopt;
      if (!out) out.emplace();
      out->labels.insert(out->labels.end(), side->labels.begin(), side->labels.end());
      out->parts.insert(out->parts.end(), side->parts.begin(), side->parts.end());
    }
    if (out && out->parts.size() > kMostTexts) return std::nullopt;
    return out;
  }
};

std::optional<ImpliedText> ImpliedText::of(const std::vector<Stage>& stages) {
  bool parsed = false, whole_words = true;
  std::optional<Implication> best;
  for (const Stage& stage : stages) {
    if (std::holds_alternative<LineFilterStage>(stage)) continue;
    if (const auto* filter = std::get_if<LabelFilterStage>(&stage)) {
      auto found = parsed ? Implication::of(filter->filter) : std::nullopt;
      if (found && (!best || found->says_more_than(*best))) best = std::move(found);
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
  ImpliedText out;
  out.labels_ = std::move(best->labels);
  for (const auto& [literal, is_value] : best->parts) {
    const auto letters = literal.ignore_case ? pipeline::Case::kIgnoreAscii : pipeline::Case::kExact;
    out.texts_.push_back({LiteralSearcher(literal.text, letters), is_value && whole_words});
  }
  out.texts_.push_back({LiteralSearcher("\\"), false});  // a value may be written with escapes
  return out;
}

bool ImpliedText::applies_to(const pipeline::LabelSet& stream) const {
  return std::none_of(labels_.begin(), labels_.end(), [&](const auto& label) { return stream.get(label).has_value(); });
}

bool ImpliedText::may_come_from(std::string_view metadata_name) const {
  return std::any_of(labels_.begin(), labels_.end(),
                     [&](const auto& label) { return label.starts_with(metadata_name); });
}

bool ImpliedText::may_keep(std::string_view line, MetadataView metadata) const {
  if (is_in(line)) return true;
  for (const auto& [name, value] : metadata)
    if (may_come_from(name)) return true;
  return false;
}

// A whole value has quotes, a colon, a comma, a bracket or a space beside it.
bool ImpliedText::Text::stands_at(std::string_view line, size_t at) const {
  if (!whole_word) return true;
  const size_t end = at + searcher.literal().size();
  return (at == 0 || !is_letter_or_digit(line[at - 1])) && (end == line.size() || !is_letter_or_digit(line[end]));
}

bool ImpliedText::is_in(std::string_view line) const {
  return std::any_of(texts_.begin(), texts_.end(), [line](const Text& text) {
    for (size_t at = text.searcher.find(line); at != line.npos; at = text.searcher.find(line, at + 1))
      if (text.stands_at(line, at)) return true;
    return false;
  });
}

bool ImpliedText::may_keep_any(std::string_view text) const {
  return std::any_of(texts_.begin(), texts_.end(), [text](const Text& one) { return one.searcher.is_in(text); });
}

void ImpliedText::select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
                         uint32_t begin) const {
  if (ends.empty()) return;
  text = text.substr(0, ends.back());
  size_t next[kMostTexts + 1];  // of each text the first occurrence that is not done with
  for (size_t i = 0; i < texts_.size(); ++i) next[i] = texts_[i].searcher.find(text, begin);
  for (size_t row = 0;;) {
    const size_t i = static_cast<size_t>(std::min_element(next, next + texts_.size()) - next);
    const size_t hit = next[i];
    if (hit == text.npos) return;
    row = static_cast<size_t>(std::upper_bound(ends.begin() + static_cast<std::ptrdiff_t>(row), ends.end(), hit) -
                              ends.begin());
    const size_t line_begin = row == 0 ? begin : ends[row - 1], line_end = ends[row];
    const bool inside = hit + texts_[i].searcher.literal().size() <= line_end;
    if (!inside || !texts_[i].stands_at(text.substr(line_begin, line_end - line_begin), hit - line_begin)) {
      next[i] = texts_[i].searcher.find(text, hit + 1);
      continue;
    }
    rows.push_back(static_cast<uint32_t>(row));
    for (size_t k = 0; k < texts_.size(); ++k)
      if (next[k] < line_end) next[k] = texts_[k].searcher.find(text, line_end);
  }
}

}  // namespace server
