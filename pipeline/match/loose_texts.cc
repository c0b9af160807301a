#include "pipeline/match/loose_texts.h"

#include <algorithm>

#include "pipeline/match/regex_tree.h"

namespace pipeline {
namespace {

// As much of an expression as matters here.
struct Part {
  enum class Kind : uint8_t { kText, kAnything, kSomething, kEmpty, kSingle, kSequence, kChoice, kGroup, kOther };
  Kind kind = Kind::kOther;
  std::string text;  // kText
  std::vector<Part> parts;
};
using Kind = Part::Kind;
using Parts = std::vector<Part>;

// What replaces it: one of the texts.
struct Outcome {
  struct Text {
    std::string text;
    bool whole;
  };
  std::vector<Text> texts;
  bool any = false, not_empty = false;

  void add(Outcome other) {
    for (Text& text : other.texts) texts.push_back(std::move(text));
    any |= other.any;
    not_empty |= other.not_empty;
  }
};

size_t character_size(std::string_view text) {
  size_t size = 1;
  while (size < text.size() && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) ++size;
  return size;
}

bool is_any_but_newline(const RegexNode& node) {
  CharClass all;
  all.add_range(0, '\n' - 1);
  all.add_range('\n' + 1, 0x10ffff);
  return node.kind == RegexNode::Kind::kClass && node.characters.ascii == all.ascii &&
         node.characters.beyond == CharClass::Beyond::kAll;
}

Part part_of(const RegexNode& node);

Parts parts_of(const std::vector<RegexNode>& nodes) {
  Parts out;
  for (const RegexNode& node : nodes) out.push_back(part_of(node));
  return out;
}

Part sequence_of(Parts parts) {
  if (parts.empty()) return {Kind::kEmpty, {}, {}};
  if (parts.size() == 1) return std::move(parts[0]);
  return {Kind::kSequence, {}, std::move(parts)};
}

// The text with which a part begins, and the part without so much of it.
std::string_view leading_text(const Part& part) {
  if (part.kind == Kind::kText) return part.text;
  if (part.kind == Kind::kSequence && part.parts[0].kind == Kind::kText) return part.parts[0].text;
  return {};
}
Part without_leading(Part part, size_t size) {
  if (part.kind == Kind::kText) {
    part.text.erase(0, size);
    return part.text.empty() ? Part{Kind::kEmpty, {}, {}} : part;
  }
  part.parts[0].text.erase(0, size);
  if (part.parts[0].text.empty()) part.parts.erase(part.parts.begin());
  return sequence_of(std::move(part.parts));
}

bool is_single(const Part& part) {
  return part.kind == Kind::kSingle || (part.kind == Kind::kText && character_size(part.text) == part.text.size());
}

Part choice_of(Parts parts);

// Takes common beginnings out of neighbours, then makes classes of neighbouring characters, as regexp/syntax does.
Parts factored(Parts parts) {
  Parts out;
  for (size_t first = 0; first < parts.size();) {
    std::string common(leading_text(parts[first]));
    size_t last = first + 1;
    for (; last < parts.size(); ++last) {
      const std::string_view next = leading_text(parts[last]);
      size_t same = 0;
      while (same < common.size() && same < next.size()) {
        const size_t size = character_size(std::string_view(common).substr(same));
        if (next.substr(same, size) != std::string_view(common).substr(same, size)) break;
        same += size;
      }
      if (same == 0) break;
      common.resize(same);
    }
    if (last == first + 1) {
      out.push_back(std::move(parts[first]));
    } else {
      Parts rest;
      for (size_t i = first; i < last; ++i) rest.push_back(without_leading(std::move(parts[i]), common.size()));
      Parts pair;
      pair.push_back({Kind::kText, std::move(common), {}});
      pair.push_back(choice_of(std::move(rest)));
      out.push_back(sequence_of(std::move(pair)));
    }
    first = last;
  }
  for (size_t i = 1; i < out.size();) {
    if (is_single(out[i - 1]) && is_single(out[i])) {
      out[i - 1] = {Kind::kSingle, {}, {}};
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (out[i - 1].kind == Kind::kEmpty && out[i].kind == Kind::kEmpty) {
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return out;
}

Part choice_of(Parts parts) {
  parts = factored(std::move(parts));
  if (parts.size() == 1) return std::move(parts[0]);
  return {Kind::kChoice, {}, std::move(parts)};
}

Part part_of(const RegexNode& node) {
  switch (node.kind) {
    case RegexNode::Kind::kText: return {Kind::kText, node.text, {}};
    case RegexNode::Kind::kClass: return {Kind::kSingle, {}, {}};
    case RegexNode::Kind::kAssertion: return {};
    case RegexNode::Kind::kSequence: return sequence_of(parts_of(node.parts));
    case RegexNode::Kind::kChoice: return choice_of(parts_of(node.parts));
    case RegexNode::Kind::kGroup: return {Kind::kGroup, {}, parts_of(node.parts)};
    case RegexNode::Kind::kRepeat:
      if (node.most != RegexNode::kNoLimit || node.least > 1 || !is_any_but_newline(node.parts[0])) return {};
      return {node.least == 0 ? Kind::kAnything : Kind::kSomething, {}, {}};
  }
  return {};
}

const Part& opened(const Part& part) { return part.kind == Kind::kGroup ? opened(part.parts[0]) : part; }

// `base`: the text before it in an outer sequence.
std::optional<Outcome> simplified_sequence(const Parts& parts, const std::string& base, bool has_base);

// A choice behind the text `base`.
std::optional<Outcome> simplified_tail(const Part& choice, const std::string& base) {
  Outcome out;
  for (const Part& inner : choice.parts) {
    if (inner.kind == Kind::kEmpty || inner.kind == Kind::kAnything) {
      out.texts.push_back({base, false});
    } else if (inner.kind == Kind::kText) {
      out.texts.push_back({base + inner.text, false});
    } else if (inner.kind == Kind::kSequence) {
      auto rest = simplified_sequence(inner.parts, base, true);
      if (!rest) return std::nullopt;
      out.add(*std::move(rest));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<Outcome> simplified_sequence(const Parts& parts, const std::string& base, bool has_base) {
  std::string text = base;
  Outcome out;
  int texts = 0;
  size_t counted = 0;
  for (const Part& inner : parts) {
    const Part& part = opened(inner);
    if (part.kind == Kind::kEmpty) continue;
    if (++counted > 3) return std::nullopt;
    if (part.kind == Kind::kText) {
      if (texts++ > 0) return std::nullopt;
      text += part.text;
      has_base = true;
    } else if (part.kind == Kind::kChoice && has_base) {
      auto tail = simplified_tail(part, text);
      if (!tail) return std::nullopt;
      out.add(*std::move(tail));
    } else if (part.kind != Kind::kAnything) {
      return std::nullopt;
    }
  }
  if (!out.texts.empty()) return out;
  if (!has_base) return std::nullopt;
  out.texts.push_back({text, false});
  return out;
}

std::optional<Outcome> simplified(const Part& part) {
  Outcome out;
  switch (part.kind) {
    case Kind::kText: out.texts.push_back({part.text, true}); return out;
    case Kind::kAnything:
    case Kind::kEmpty: out.any = true; return out;
    case Kind::kSomething: out.not_empty = true; return out;
    case Kind::kGroup: return simplified(part.parts[0]);
    case Kind::kSequence: return simplified_sequence(part.parts, {}, false);
    case Kind::kChoice:
      for (const Part& inner : part.parts) {
        auto leg = simplified(opened(inner));
        if (!leg || leg->any) return std::nullopt;  // Loki forgets a leg that matches everything; we do not
        out.add(*std::move(leg));
      }
      return out;
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<LooseTexts> LooseTexts::of(std::string_view pattern) {
  const bool ignores_case = pattern.starts_with("(?i)");
  if (ignores_case) pattern.remove_prefix(4);
  auto tree = read_regex(pattern, false);
  if (!tree) return std::nullopt;
  auto outcome = simplified(part_of(*tree));
  if (!outcome) return std::nullopt;
  LooseTexts out;
  out.any_ = outcome->any;
  out.not_empty_ = outcome->not_empty;
  for (const Outcome::Text& text : outcome->texts) {
    const bool ascii =
        std::all_of(text.text.begin(), text.text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
    if (ignores_case && !ascii) return std::nullopt;
    out.texts_.push_back({LiteralSearcher(text.text, ignores_case ? Case::kIgnoreAscii : Case::kExact),
                          text.whole ? Where::kWhole : Where::kInside});
  }
  return out;
}

std::vector<RequiredLiteral> LooseTexts::required() const {
  std::vector<RequiredLiteral> out;
  if (any_ || not_empty_) return out;
  for (const Text& text : texts_)
    out.push_back({text.searcher.literal(), text.searcher.letters() == Case::kIgnoreAscii});
  return out;
}

bool LooseTexts::matches(std::string_view value) const {
  if (any_ || (not_empty_ && !value.empty())) return true;
  return std::any_of(texts_.begin(), texts_.end(), [&](const Text& text) {
    if (text.where == Where::kInside) return text.searcher.is_in(value);
    return value.size() == text.searcher.literal().size() && text.searcher.find(value) == 0;
  });
}

}  // namespace pipeline
