#include "pipeline/match/path_program.h"

#include <algorithm>
#include <utility>

namespace pipeline {

namespace {

using Kind = RegexNode::Kind;
using Op = PathStep::Op;
using Beyond = CharClass::Beyond;

std::bitset<256> bytes_of(const CharClass& characters, bool with_beyond) {
  std::bitset<256> out;
  for (size_t c = 0; c < 256; ++c) out[c] = c < 0x80 ? characters.has(static_cast<uint8_t>(c)) : with_beyond;
  return out;
}

// Bytes by which a character of the class may begin.
NextBytes first_of(const CharClass& characters) {
  NextBytes out;
  for (size_t c = 0; c < 0x80; ++c) out[c] = characters.has(static_cast<uint8_t>(c));
  for (size_t c = 0xc0; c < 0x100; ++c) out[c] = characters.beyond != Beyond::kNone;
  return out;
}

NextBytes anything() { return NextBytes().set(); }

NextBytes first_of(const RegexNode& node, const NextBytes& next) {
  NextBytes out;
  switch (node.kind) {
    case Kind::kText: return node.text.empty() ? next : out.set(static_cast<uint8_t>(node.text[0]));
    case Kind::kClass: return first_of(node.characters);
    case Kind::kAssertion:
      if (node.assertion == Assertion::kTextEnd) return out.set(kAtEnd);
      if (node.assertion == Assertion::kLineEnd) return out.set(kAtEnd).set('\n');
      return next;
    case Kind::kRepeat:
      if (node.most == 0) return next;
      out = first_of(node.parts[0], next);
      return node.least == 0 ? out | next : out;
    case Kind::kChoice:
      for (const RegexNode& part : node.parts) out |= first_of(part, next);
      return out;
    case Kind::kSequence:
    case Kind::kGroup: break;
  }
  out = next;
  for (size_t i = node.parts.size(); i > 0; --i) out = first_of(node.parts[i - 1], out);
  return out;
}

// The class that is all of `node`, if it is one.
std::optional<CharClass> only_class(const RegexNode& node) {
  if (node.kind == Kind::kClass) return node.characters;
  if (node.kind == Kind::kSequence && node.parts.size() == 1) return only_class(node.parts[0]);
  if (node.kind != Kind::kText || node.text.size() != 1) return std::nullopt;
  CharClass out;
  out.add(static_cast<uint8_t>(node.text[0]));
  return out;
}

// Steps are made from the last to the first, so that each knows what can follow it.
class Compiler {
 public:
  explicit Compiler(PathProgram& program) : program_(program) {}

  bool compile(const RegexNode& tree, bool whole_text) {
    uint32_t end = add({.op = Op::kMatch}, anything());
    if (whole_text) end = assertion(Assertion::kTextEnd, end);
    program_.begin = emit(tree, end);
    if (whole_text) program_.begin = assertion(Assertion::kTextBegin, program_.begin);
    describe_begin();
    return !failed_;
  }

 private:
  uint32_t add(const PathStep& step, const NextBytes& first) {
    if (program_.steps.size() >= PathProgram::kMaxSteps) failed_ = true;
    program_.steps.push_back(step);
    first_.push_back(first);
    return static_cast<uint32_t>(program_.steps.size() - 1);
  }

  // Where the step is that does `node` and goes on to `next`.
  uint32_t emit(const RegexNode& node, uint32_t next) {
    if (failed_) return next;
    switch (node.kind) {
      case Kind::kText: return text(node.text, next);
      case Kind::kClass: return one_of(node.characters, next);
      case Kind::kAssertion: return assertion(node.assertion, next);
      case Kind::kChoice: return choice(node, next);
      case Kind::kRepeat: return repeat(node, next);
      case Kind::kGroup: return group(node, next);
      case Kind::kSequence: break;
    }
    for (size_t i = node.parts.size(); i > 0; --i) next = emit(node.parts[i - 1], next);
    return next;
  }

  uint32_t text(const std::string& text, uint32_t next) {
    if (text.empty()) return next;
    NextBytes first;
    first.set(static_cast<uint8_t>(text[0]));
    if (text.size() == 1) return add({.op = Op::kByte, .byte = text[0], .next = next}, first);
    program_.texts.push_back(text);
    return add({.op = Op::kText, .next = next, .index = static_cast<uint32_t>(program_.texts.size() - 1)}, first);
  }

  uint32_t one_of(const CharClass& characters, uint32_t next) {
    return add({.op = Op::kClass, .next = next, .index = class_index(characters)}, first_of(characters));
  }

  uint32_t class_index(const CharClass& characters) {
    for (size_t i = 0; i < known_.size(); ++i) {
      if (known_[i].ascii == characters.ascii && known_[i].beyond == characters.beyond) return static_cast<uint32_t>(i);
    }
    known_.push_back(characters);
    program_.classes.emplace_back(characters);
    return static_cast<uint32_t>(known_.size() - 1);
  }

  uint32_t assertion(Assertion assertion, uint32_t next) {
    RegexNode node;
    node.kind = Kind::kAssertion;
    node.assertion = assertion;
    return add({.op = Op::kAssert, .assertion = assertion, .next = next}, first_of(node, first_[next]));
  }

  uint32_t group(const RegexNode& node, uint32_t next) {
    auto slot = static_cast<uint32_t>(2 * node.group);
    if (node.group >= PathProgram::kMaxGroups) failed_ = true;
    uint32_t end = add({.op = Op::kSave, .next = next, .index = slot + 1}, first_[next]);
    uint32_t inner = emit(node.parts[0], end);
    return add({.op = Op::kSave, .next = inner, .index = slot}, first_[inner]);
  }

  uint32_t choice(const RegexNode& node, uint32_t next) {
    uint32_t way = emit(node.parts.back(), next);
    for (size_t i = node.parts.size() - 1; i > 0; --i) way = fork(emit(node.parts[i - 1], next), way);
    return way;
  }

  uint32_t fork(uint32_t preferred, uint32_t other) {
    uint32_t at = add({.op = Op::kFork, .index = static_cast<uint32_t>(program_.forks.size())},
                      first_[preferred] | first_[other]);
    program_.forks.emplace_back();
    set_ways(at, preferred, first_[preferred], other, first_[other]);
    return at;
  }

  void set_ways(uint32_t at, uint32_t preferred, const NextBytes& first, uint32_t other, const NextBytes& second) {
    PathStep& step = program_.steps[at];
    step.next = preferred, step.other = other;
    PathProgram::Fork& ways = program_.forks[step.index];
    for (size_t c = 0; c < ways.size(); ++c) {
      ways[c] = static_cast<uint8_t>((first[c] ? PathProgram::kPreferred : 0) | (second[c] ? PathProgram::kOther : 0));
    }
  }

  uint32_t repeat(const RegexNode& node, uint32_t next) {
    const RegexNode& body = node.parts[0];
    if (auto characters = only_class(body); characters && is_run(*characters, node)) {
      return run(*characters, node, next);
    }
    bool unlimited = node.most == RegexNode::kNoLimit;
    if (unlimited && body.may_be_empty()) failed_ = true;
    if (failed_) return next;
    uint32_t way = unlimited ? loop(node, next) : optional_copies(node, next);
    for (int i = node.least - static_cast<int>(unlimited && node.least > 0); i > 0; --i) way = emit(body, way);
    return way;
  }

  // x{0,3} is (x(x(x)?)?)?
  uint32_t optional_copies(const RegexNode& node, uint32_t next) {
    uint32_t way = next;
    for (int i = node.most - node.least; i > 0 && !failed_; --i) {
      uint32_t body = emit(node.parts[0], way);
      way = node.greedy ? fork(body, next) : fork(next, body);
    }
    return way;
  }

  // x* begins at the fork, x+ at the body.
  uint32_t loop(const RegexNode& node, uint32_t next) {
    NextBytes body_first = first_of(node.parts[0], anything());
    uint32_t at =
        add({.op = Op::kFork, .index = static_cast<uint32_t>(program_.forks.size())}, body_first | first_[next]);
    program_.forks.emplace_back();
    uint32_t body = emit(node.parts[0], at);
    if (node.greedy) {
      set_ways(at, body, body_first, next, first_[next]);
    } else {
      set_ways(at, next, first_[next], body, body_first);
    }
    return node.least > 0 ? body : at;
  }

  // Characters of several bytes are not counted in a run.
  static bool is_run(const CharClass& characters, const RegexNode& node) {
    if (node.most == 0) return false;
    return characters.beyond != Beyond::kAll || (node.least <= 1 && node.most == RegexNode::kNoLimit);
  }

  uint32_t run(const CharClass& characters, const RegexNode& node, uint32_t next) {
    NextBytes in_class = first_of(characters), first = in_class;
    if (node.least == 0) first |= first_[next];
    PathStep step{.op = Op::kRun, .next = next, .index = class_index(characters)};
    step.least = static_cast<uint32_t>(node.least);
    if (node.most != RegexNode::kNoLimit) step.most = static_cast<uint32_t>(node.most);
    // Where what follows cannot begin inside a run, or always succeeds, there is nothing to come back for.
    bool forced = (in_class & first_[next]).none() || (node.greedy && ends_here(next));
    if (!forced) {
      step.op = node.greedy ? Op::kGreedy : Op::kLazy;
      step.tries = static_cast<uint32_t>(program_.tries.size());
      NextBytes leave = first_[next];
      for (size_t c = 0x80; c < 0xc0; ++c) leave.reset(c);  // never inside a character
      std::bitset<256> between = bytes_of(characters, characters.beyond == Beyond::kAll);
      for (size_t c = 0; c < 256; ++c) between[c] = between[c] && !leave[c];
      program_.tries.push_back({leave, text_at(next), ByteScanner(between)});
    }
    return add(step, first);
  }

  bool ends_here(uint32_t at) const {
    while (program_.steps[at].op == Op::kSave) at = program_.steps[at].next;
    return program_.steps[at].op == Op::kMatch;
  }

  std::string text_at(uint32_t at) const {
    while (program_.steps[at].op == Op::kSave) at = program_.steps[at].next;
    return program_.steps[at].op == Op::kText ? program_.texts[program_.steps[at].index] : std::string();
  }

  void describe_begin() {
    uint32_t at = program_.begin;
    program_.first = first_[at];
    std::bitset<256> before;
    for (size_t c = 0; c < 256; ++c) before[c] = !program_.first[c] || (c >= 0x80 && c < 0xc0);
    program_.before = ByteScanner(before);
    auto is_prefix = [&](const PathStep& step) {
      bool begins = step.op == Op::kAssert && step.assertion == Assertion::kTextBegin;
      program_.begins_at_text = program_.begins_at_text || begins;
      return begins || step.op == Op::kSave;
    };
    while (is_prefix(program_.steps[at])) at = program_.steps[at].next;
    const PathStep& step = program_.steps[at];
    bool runs = step.op == Op::kRun || step.op == Op::kGreedy || step.op == Op::kLazy;
    if (runs && step.most == PathStep::kNoLimit) program_.leading = step.index;
    if (step.op == Op::kText) program_.prefix.emplace(program_.texts[step.index]);
  }

  PathProgram& program_;
  std::vector<NextBytes> first_;  // by step
  std::vector<CharClass> known_;  // by class
  bool failed_ = false;
};

}  // namespace

PathClass::PathClass(const CharClass& characters) : run(bytes_of(characters, characters.beyond == Beyond::kAll)) {
  for (size_t c = 0; c < 256; ++c) {
    if (c < 0x80) {
      has[c] = characters.has(static_cast<uint8_t>(c)) ? kYes : kNo;
    } else {
      has[c] = characters.beyond == Beyond::kAll ? kYes : characters.beyond == Beyond::kNone ? kNo : kUnsure;
    }
  }
}

std::optional<PathProgram> PathProgram::compile(const RegexNode& tree, bool whole_text) {
  PathProgram program;
  if (!Compiler(program).compile(tree, whole_text)) return std::nullopt;
  return program;
}

}  // namespace pipeline
