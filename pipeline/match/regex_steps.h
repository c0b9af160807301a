// The steps of a regular expression: each reads one byte of a set, or none. For match/ only.
//
// Thread: one. Limits: kMost steps.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/match/regex_tree.h"

namespace pipeline {

struct RegexStep {
  enum class Op : uint8_t { kByte, kSplit, kTextBegin, kTextEnd, kMatch };
  Op op = Op::kMatch;
  std::bitset<256> bytes;  // kByte: one of these; never one beyond ASCII from a class
  uint32_t next = 0, other = 0;
};

struct RegexSteps {
  static constexpr size_t kMost = 1000;

  // Nothing: refused, for word boundaries, (?m) anchors, or its size.
  static std::optional<RegexSteps> of(const RegexNode& tree);

  std::vector<RegexStep> steps;
  uint32_t begin = 0;
  bool beyond_matters = false;  // characters beyond ASCII may match
};

}  // namespace pipeline
