#include "pipeline/match/regex_steps.h"

namespace pipeline {

namespace {

using Kind = RegexNode::Kind;
using Bytes = std::bitset<256>;
using Op = RegexStep::Op;

// Steps are made from the last to the first.
class StepMaker {
 public:
  std::optional<RegexSteps> make(const RegexNode& tree) {
    made_.begin = emit(tree, add({}));
    if (failed_) return std::nullopt;
    return std::move(made_);
  }

 private:
  uint32_t add(RegexStep step) {
    if (made_.steps.size() >= RegexSteps::kMost) failed_ = true;
    if (failed_) return 0;
    made_.steps.push_back(step);
    return static_cast<uint32_t>(made_.steps.size() - 1);
  }

  uint32_t emit(const RegexNode& node, uint32_t next) {
    if (failed_) return 0;
    switch (node.kind) {
      case Kind::kText: return text(node.text, next);
      case Kind::kClass: return one_of(node.characters, next);
      case Kind::kAssertion: return assertion(node.assertion, next);
      case Kind::kRepeat: return repeat(node, next);
      case Kind::kChoice: {
        uint32_t way = emit(node.parts.back(), next);
        for (size_t i = node.parts.size() - 1; i > 0; --i) way = split(emit(node.parts[i - 1], next), way);
        return way;
      }
      case Kind::kSequence:
      case Kind::kGroup: break;
    }
    for (size_t i = node.parts.size(); i > 0; --i) next = emit(node.parts[i - 1], next);
    return next;
  }

  uint32_t split(uint32_t one, uint32_t other) {
    return add({.op = Op::kSplit, .bytes = {}, .next = one, .other = other});
  }

  uint32_t text(const std::string& text, uint32_t next) {
    for (size_t i = text.size(); i > 0; --i) {
      const auto byte = static_cast<uint8_t>(text[i - 1]);
      made_.beyond_matters = made_.beyond_matters || byte >= 0x80;
      next = add({.op = Op::kByte, .bytes = Bytes().set(byte), .next = next});
    }
    return next;
  }

  uint32_t one_of(const CharClass& characters, uint32_t next) {
    made_.beyond_matters = made_.beyond_matters || characters.beyond != CharClass::Beyond::kNone;
    Bytes bytes;
    for (uint8_t c = 0; c < 0x80; ++c) bytes[c] = characters.has(c);
    return add({.op = Op::kByte, .bytes = bytes, .next = next});
  }

  uint32_t assertion(Assertion assertion, uint32_t next) {
    if (assertion == Assertion::kTextBegin) return add({.op = Op::kTextBegin, .bytes = {}, .next = next});
    if (assertion == Assertion::kTextEnd) return add({.op = Op::kTextEnd, .bytes = {}, .next = next});
    failed_ = true;
    return 0;
  }

  uint32_t repeat(const RegexNode& node, uint32_t next) {
    const RegexNode& body = node.parts[0];
    uint32_t way = next;
    if (node.most == RegexNode::kNoLimit) {
      way = split(0, next);
      const uint32_t inner = emit(body, way);
      if (failed_) return 0;
      made_.steps[way].next = inner;
    } else {
      for (int i = node.most - node.least; i > 0 && !failed_; --i) way = split(emit(body, way), next);
    }
    for (int i = node.least; i > 0 && !failed_; --i) way = emit(body, way);
    return way;
  }

  RegexSteps made_;
  bool failed_ = false;
};

}  // namespace

std::optional<RegexSteps> RegexSteps::of(const RegexNode& tree) { return StepMaker().make(tree); }

}  // namespace pipeline
