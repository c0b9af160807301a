#include "pipeline/match/line_filter.h"

#include <algorithm>

namespace pipeline {

namespace {

bool is_found(const LiteralSearcher& literal, std::string_view line) { return literal.is_in(line); }
bool is_found(const Regex& regex, std::string_view line) { return regex.partial_match(line); }
bool is_found(const PatternFilter& pattern, std::string_view line) { return pattern.matches(line); }
bool is_found(const IpFilter& ip, std::string_view line) { return ip.found_in(line); }

size_t shortest(std::span<const LiteralSearcher> literals) {
  size_t length = literals.empty() ? 0 : SIZE_MAX;
  for (const LiteralSearcher& literal : literals) length = std::min(length, literal.literal().size());
  return length;
}

// Shorter literals are found in most lines: an automaton over all of them is faster than to search first.
constexpr size_t kSelective = 3;

// What is known about one operand: a line with it contains one of `required`, and that is enough if `decides`.
struct Requirement {
  std::vector<LiteralSearcher> required;
  bool decides = false;
};

Requirement requirement_of(const LiteralSearcher& literal) { return {{literal}, true}; }
Requirement requirement_of(const Regex& regex) {
  Requirement out;
  for (const RequiredLiteral& text : regex.required_literals()) {
    out.required.emplace_back(text.text, text.ignore_case ? Case::kIgnoreAscii : Case::kExact);
  }
  out.decides = regex.is_literals_only();
  return out;
}
Requirement requirement_of(const PatternFilter& pattern) {
  const LiteralSearcher* longest = nullptr;
  for (const LiteralSearcher& literal : pattern.literals()) {
    if (longest == nullptr || literal.literal().size() > longest->literal().size()) longest = &literal;
  }
  if (longest == nullptr) return {};
  return {{*longest}, false};
}
Requirement requirement_of(const IpFilter&) { return {}; }

}  // namespace

std::string_view line_filter_op_text(LineFilterOp op) {
  constexpr std::string_view kTexts[] = {"|=", "!=", "|~", "!~", "|>", "!>"};
  return kTexts[static_cast<size_t>(op)];
}

Result<LineFilter> LineFilter::create(LineFilterOp op, const std::vector<LineFilterOperand>& operands) {
  LineFilter filter;
  filter.op_ = op;
  filter.negative_ =
      op == LineFilterOp::kNotContains || op == LineFilterOp::kNotMatches || op == LineFilterOp::kNotPattern;
  bool contains = op == LineFilterOp::kContains || op == LineFilterOp::kNotContains;
  bool matches = op == LineFilterOp::kMatches || op == LineFilterOp::kNotMatches;
  for (const LineFilterOperand& operand : operands) {
    if (operand.is_ip) {
      if (!contains) return fail(Errc::kInvalid, "ip: invalid operation");
      TRY_LET(auto ip, IpFilter::compile(operand.text));
      filter.operands_.emplace_back(std::move(ip));
    } else if (contains) {
      filter.operands_.emplace_back(LiteralSearcher(operand.text));
    } else if (matches) {
      TRY_LET(auto regex, Regex::compile(operand.text));
      filter.operands_.emplace_back(std::move(regex));
    } else {
      TRY_LET(auto pattern, PatternFilter::compile(operand.text));
      filter.operands_.emplace_back(std::move(pattern));
    }
  }
  filter.required_decides_ = true;
  bool known = true;
  for (const Operand& operand : filter.operands_) {
    Requirement requirement = std::visit([](const auto& o) { return requirement_of(o); }, operand);
    if (requirement.decides && shortest(requirement.required) == 0) filter.always_ = true;
    filter.required_decides_ = filter.required_decides_ && requirement.decides;
    known = known && !requirement.required.empty();
    for (LiteralSearcher& literal : requirement.required) filter.required_.push_back(std::move(literal));
  }
  if (!known || filter.always_) filter.required_.clear(), filter.required_decides_ = false;
  if (matches && !filter.always_ && !filter.required_decides_ && operands.size() == 1 &&
      shortest(filter.required_) < kSelective) {
    if (auto automaton = LineAutomaton::compile(operands[0].text))
      filter.automaton_ = std::make_shared<const LineAutomaton>(*std::move(automaton));
  }
  return filter;
}

bool LineFilter::found(std::string_view line) const {
  if (always_) return true;
  if (!required_.empty()) {
    bool present = std::any_of(required_.begin(), required_.end(), [&](const auto& l) { return l.is_in(line); });
    if (!present || required_decides_) return present;
  }
  return std::any_of(operands_.begin(), operands_.end(), [&](const Operand& operand) {
    return std::visit([&](const auto& o) { return is_found(o, line); }, operand);
  });
}

LineFilters::LineFilters(std::vector<LineFilter> filters) : filters_(std::move(filters)) {
  for (size_t i = 0; i < filters_.size(); ++i) {
    if (filters_[i].is_negative() || filters_[i].required().empty()) continue;
    if (!has_best_ || shortest(filters_[i].required()) > shortest(filters_[best_].required())) best_ = i;
    has_best_ = true;
  }
}

bool LineFilters::keeps(std::string_view line) const {
  return std::all_of(filters_.begin(), filters_.end(), [&](const LineFilter& f) { return f.keeps(line); });
}

std::span<const LiteralSearcher> LineFilters::required() const {
  if (!has_best_) return {};
  return filters_[best_].required();
}

bool LineFilters::may_match(std::string_view text) const {
  auto never = [](const LineFilter& f) { return f.is_negative() && f.is_found_always(); };
  if (std::any_of(filters_.begin(), filters_.end(), never)) return false;
  std::span<const LiteralSearcher> literals = required();
  if (literals.empty()) return true;
  return std::any_of(literals.begin(), literals.end(), [&](const auto& l) { return l.is_in(text); });
}

namespace {

// Where the next of several literals occurs. Each one's next occurrence is kept until it is passed.
class NextOccurrence {
 public:
  NextOccurrence(std::span<const LiteralSearcher> literals, std::string_view text)
      : literals_(literals), text_(text), next_(literals.size(), 0), known_(literals.size(), false) {}

  struct Hit {
    size_t begin, end;
  };
  // The first occurrence that begins at or after `from` (ascending from call to call); begin == npos: none.
  Hit find(size_t from) {
    Hit best{LiteralSearcher::npos, LiteralSearcher::npos};
    for (size_t i = 0; i < literals_.size(); ++i) {
      if (!known_[i] || next_[i] < from) next_[i] = literals_[i].find(text_, from), known_[i] = true;
      if (next_[i] < best.begin) best = {next_[i], next_[i] + literals_[i].literal().size()};
    }
    return best;
  }

 private:
  std::span<const LiteralSearcher> literals_;
  std::string_view text_;
  std::vector<size_t> next_;
  std::vector<bool> known_;
};

}  // namespace

// No filter has literals that are worth a search.
void LineFilters::select_judged(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
                                uint32_t begin) const {
  using Verdict = LineAutomaton::Verdict;
  const auto judge =
      std::find_if(filters_.begin(), filters_.end(), [](const LineFilter& f) { return f.automaton() != nullptr; });
  std::vector<Verdict> verdicts(ends.size(), Verdict::kUnsure);
  if (judge != filters_.end()) judge->automaton()->judge(text, ends, begin, verdicts);
  const Verdict refused = judge != filters_.end() && judge->is_negative() ? Verdict::kYes : Verdict::kNo;
  for (size_t row = 0; row < ends.size(); begin = ends[row++]) {
    if (verdicts[row] == refused) continue;
    const std::string_view line = text.substr(begin, ends[row] - begin);
    const bool is_judged = verdicts[row] != Verdict::kUnsure;
    const bool kept = std::all_of(filters_.begin(), filters_.end(), [&](const LineFilter& filter) {
      return (is_judged && &filter == &*judge) || filter.keeps(line);
    });
    if (kept) rows.push_back(static_cast<uint32_t>(row));
  }
}

void LineFilters::select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
                         uint32_t begin) const {
  auto line_begin = [&](size_t row) { return row == 0 ? begin : ends[row - 1]; };
  auto line = [&](size_t row) { return text.substr(line_begin(row), ends[row] - line_begin(row)); };
  auto kept_by_others = [&](size_t row, bool best_decided) {
    for (size_t i = 0; i < filters_.size(); ++i) {
      if (best_decided && i == best_) continue;
      if (!filters_[i].keeps(line(row))) return false;
    }
    return true;
  };
  if (!has_best_ || filters_[best_].automaton()) return select_judged(text, ends, rows, begin);
  if (ends.empty()) return;
  NextOccurrence next(required(), text.substr(0, ends.back()));
  bool decides = filters_[best_].required_decides();
  size_t row = 0;
  for (auto hit = next.find(begin); hit.begin != LiteralSearcher::npos;) {
    row = static_cast<size_t>(std::upper_bound(ends.begin() + static_cast<std::ptrdiff_t>(row), ends.end(), hit.begin) -
                              ends.begin());
    if (hit.end > ends[row]) {  // runs over the end of its line
      hit = next.find(hit.begin + 1);
      continue;
    }
    if (kept_by_others(row, decides)) rows.push_back(static_cast<uint32_t>(row));
    hit = next.find(ends[row]);
  }
}

}  // namespace pipeline
