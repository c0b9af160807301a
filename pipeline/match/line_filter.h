// Line filters of LogQL: |= != |~ !~ |> !> and ip(), on one line or on a whole page of lines (logql.md 4.3).
//
// Thread:  any (immutable).
// Errors:  kInvalid: the texts of Regex, PatternFilter and IpFilter; `ip: invalid operation`.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/match/ip_filter.h"
#include "pipeline/match/line_automaton.h"
#include "pipeline/match/literal_search.h"
#include "pipeline/match/pattern_filter.h"
#include "pipeline/match/regex.h"

namespace pipeline {

enum class LineFilterOp { kContains, kNotContains, kMatches, kNotMatches, kPattern, kNotPattern };
std::string_view line_filter_op_text(LineFilterOp op);  // |= != |~ !~ |> !>

struct LineFilterOperand {
  std::string text;
  bool is_ip = false;  // ip("...")
};

// One filter with its `or` chain: |= "a" or "b" or ip("10.0.0.0/8"). A negative one keeps a line when none of its
// operands is found.
class LineFilter {
 public:
  static Result<LineFilter> create(LineFilterOp op, const std::vector<LineFilterOperand>& operands);
  static Result<LineFilter> create(LineFilterOp op, std::string text) { return create(op, {{std::move(text), false}}); }

  LineFilterOp op() const { return op_; }
  bool is_negative() const { return negative_; }
  bool keeps(std::string_view line) const { return found(line) != negative_; }

  // Any line in which an operand is found contains one of these (not: is kept, see is_negative). Empty: unknown.
  std::span<const LiteralSearcher> required() const { return required_; }
  // Containing one of required() is all it takes: keeps() need not be asked.
  bool required_decides() const { return required_decides_; }
  // Of one expression without a required() text that is long enough to be rare, where many lines can be judged at once;
  // else nullptr.
  const LineAutomaton* automaton() const { return automaton_.get(); }
  // Found in every line, as |= "" and |~ ".*": a positive one keeps all, a negative one none.
  bool is_found_always() const { return always_; }

 private:
  using Operand = std::variant<LiteralSearcher, Regex, PatternFilter, IpFilter>;
  LineFilter() = default;
  bool found(std::string_view line) const;

  LineFilterOp op_ = LineFilterOp::kContains;
  bool negative_ = false;
  bool always_ = false;
  bool required_decides_ = false;
  std::vector<Operand> operands_;
  std::vector<LiteralSearcher> required_;
  std::shared_ptr<const LineAutomaton> automaton_;
};

// Filters in order; a line is kept when each of them keeps it.
class LineFilters {
 public:
  LineFilters() = default;
  explicit LineFilters(std::vector<LineFilter> filters);

  bool empty() const { return filters_.empty(); }  // keeps everything
  const std::vector<LineFilter>& filters() const { return filters_; }
  bool keeps(std::string_view line) const;

  // Lines back to back: line k is text[ends[k - 1], ends[k]), the first begins at `begin`. Appends the numbers of the
  // kept lines, ascending, to `rows`. Searches the whole text for required literals first and looks only at the lines
  // in which they occur; without literals an expression goes over all lines at once where it can.
  void select(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
              uint32_t begin = 0) const;

  // False: no line anywhere in `text` can be kept (one search over all of it, no need to know the lines).
  bool may_match(std::string_view text) const;

  // Every kept line contains one of these (of the most selective positive filter): for substring filters of stored
  // objects. Empty: unknown.
  std::span<const LiteralSearcher> required() const;

 private:
  void select_judged(std::string_view text, std::span<const uint32_t> ends, std::vector<uint32_t>& rows,
                     uint32_t begin) const;

  std::vector<LineFilter> filters_;
  size_t best_ = 0;  // the filter whose required() is searched first
  bool has_best_ = false;
};

}  // namespace pipeline
