// LineAutomaton: in which of many lines a regular expression is found. For line filters over whole pages.
//
// A deterministic automaton over classes of bytes, made in full when the expression is compiled. It walks several lines
// at once, since a step has to wait for the one before and the steps of another line have not; RE2, a line at a time,
// takes about five times as long. Lines without what every match needs (class_triple.h) are not walked at all.
//
// Thread:  any (immutable).
// Limits:  at most kMaxStates states and RegexSteps::kMost steps; larger ones, word boundaries and (?m) anchors are
// refused.
//          A line with characters beyond ASCII is kUnsure where the expression says anything about such.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/match/class_triple.h"

namespace pipeline {

class LineAutomaton {
 public:
  static constexpr size_t kMaxStates = 400;

  enum class Verdict : uint8_t { kNo, kYes, kUnsure };

  // Nothing: refused. `pattern` is known to compile with RE2; its dot is no newline.
  static std::optional<LineAutomaton> compile(std::string_view pattern);

  // Line k is text[ends[k - 1], ends[k]), the first begins at `begin`. `verdicts` gets one for each, whatever it holds.
  void judge(std::string_view text, std::span<const uint32_t> ends, uint32_t begin,
             std::vector<Verdict>& verdicts) const;

 private:
  friend class AutomatonCompiler;
  LineAutomaton() = default;

  // States are named by where their row in `table_` begins. The first three are verdicts and never left.
  bool is_final(uint32_t state) const { return state < 3 * width_; }
  Verdict verdict(uint32_t state) const { return static_cast<Verdict>(state / width_); }

  std::array<uint8_t, 256> class_of_{};  // a byte's column
  std::vector<uint16_t> table_;          // width_ columns a state, the last one for the end of the line
  uint32_t width_ = 0;
  uint32_t begin_ = 0;  // the state before the first byte
  Verdict empty_ = Verdict::kNo;
  std::optional<ClassTriple> needed_;
};

}  // namespace pipeline
