// PathProgram: a regular expression as steps of which, at almost every byte, only one can be taken. For match/ only.
//
// Each place with two ways knows for every next byte which of them can go on at all. Where that is one, the way is
// taken and nothing is remembered (in a one-pass expression: always); where both can, the less preferred one is
// remembered as a place to come back to. Runs of one class are single steps.
//
// Life:    compiled once, immutable. Thread: any.
// Limits:  at most kMaxSteps steps and kMaxGroups groups; loops over what may be empty are refused.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/match/byte_scanner.h"
#include "pipeline/match/literal_search.h"
#include "pipeline/match/regex_tree.h"

namespace pipeline {

// The next byte, or kAtEnd, by which a way can begin.
constexpr size_t kAtEnd = 256;
using NextBytes = std::bitset<257>;

struct PathStep {
  enum class Op : uint8_t {
    kByte,
    kText,
    kClass,   // one character
    kRun,     // of a class: as many as there are, never fewer
    kGreedy,  // of a class: as many as there are, then fewer
    kLazy,    // of a class: as few as possible, then more
    kFork,
    kSave,
    kAssert,
    kMatch
  };
  static constexpr uint32_t kNoLimit = UINT32_MAX;

  Op op = Op::kMatch;
  char byte = 0;
  Assertion assertion = Assertion::kTextBegin;
  uint32_t next = 0;
  uint32_t other = 0;                   // kFork: the less preferred way
  uint32_t index = 0;                   // kText: texts; kClass and runs: classes; kFork: forks; kSave: slot
  uint32_t tries = 0;                   // kGreedy, kLazy: tries
  uint32_t least = 0, most = kNoLimit;  // runs, in characters
};

// A class of characters, by first byte.
struct PathClass {
  enum : uint8_t { kNo, kYes, kUnsure };
  explicit PathClass(const CharClass& characters);

  std::array<uint8_t, 256> has{};
  ByteScanner run;  // over its bytes
};

// Where a run that gives back or takes more may be left: at a byte of `first` where `text` follows.
struct PathTry {
  NextBytes first;
  std::string text;
  ByteScanner between;  // lazy: over bytes of the class that cannot begin what follows
};

class PathProgram {
 public:
  static constexpr size_t kMaxSteps = 1000, kMaxGroups = 32;

  // `whole_text`: matches begin at the beginning and end at the end, as if in ^(?:...)$. Nothing: too large, or
  // refused.
  static std::optional<PathProgram> compile(const RegexNode& tree, bool whole_text);

  // Of the next bytes, which way a fork can take.
  enum Ways : uint8_t { kNone = 0, kPreferred = 1, kOther = 2, kBoth = 3 };
  using Fork = std::array<uint8_t, 257>;

  std::vector<PathStep> steps;
  std::vector<std::string> texts;
  std::vector<PathClass> classes;
  std::vector<Fork> forks;
  std::vector<PathTry> tries;

  uint32_t begin = 0;
  bool begins_at_text = false;            // no match begins elsewhere
  NextBytes first;                        // by which a match can begin
  ByteScanner before{{}};                 // over all other bytes, and those inside a character
  std::optional<uint32_t> leading;        // the class of an unlimited run that is the first thing in it
  std::optional<LiteralSearcher> prefix;  // the text with which every match begins

 private:
  PathProgram() = default;
};

}  // namespace pipeline
