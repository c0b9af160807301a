#include "pipeline/match/regex_tree.h"

#include <algorithm>
#include <utility>

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

using Kind = RegexNode::Kind;

constexpr int kMaxDepth = 100;

struct NamedClass {
  std::string_view name, ranges;  // pairs of first and last
};
constexpr std::string_view kDigits = "09", kSpaces = "\t\n\f\r  ", kWords = "09AZaz__";
constexpr NamedClass kPosixClasses[] = {{"alnum", "09AZaz"},
                                        {"alpha", "AZaz"},
                                        {"ascii", std::string_view("\0\x7f", 2)},
                                        {"blank", "\t\t  "},
                                        {"cntrl", std::string_view("\0\x1f\x7f\x7f", 4)},
                                        {"digit", kDigits},
                                        {"graph", "!~"},
                                        {"lower", "az"},
                                        {"print", " ~"},
                                        {"punct", "!/:@[`{~"},
                                        {"space", "\t\r  "},
                                        {"upper", "AZ"},
                                        {"word", kWords},
                                        {"xdigit", "09AFaf"}};

CharClass class_of(std::string_view ranges) {
  CharClass out;
  for (size_t i = 0; i + 1 < ranges.size(); i += 2) {
    out.add_range(static_cast<uint8_t>(ranges[i]), static_cast<uint8_t>(ranges[i + 1]));
  }
  return out;
}

RegexNode class_node(const CharClass& characters) {
  RegexNode node;
  node.kind = Kind::kClass;
  node.characters = characters;
  return node;
}

RegexNode assertion_node(Assertion assertion) {
  RegexNode node;
  node.kind = Kind::kAssertion;
  node.assertion = assertion;
  return node;
}

bool is_letter(uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }

class Reader {
 public:
  Reader(std::string_view pattern, bool dot_is_any) : text_(pattern) { flags_.dot_is_any = dot_is_any; }

  std::optional<RegexNode> read_all() {
    RegexNode node = choice(0);
    // The packaged RE2 (20220601) forgets the other case of a letter when an alternative has the letter itself, as in
    // "a|(?i:a)": what has both is left to it.
    bool mixed = has_choice_ && has_folded_ && has_exact_;
    if (refused_ || mixed || at_ != text_.size()) return std::nullopt;
    return node;
  }

 private:
  struct Flags {
    bool ignore_case = false, dot_is_any = false, many_lines = false;
  };

  RegexNode choice(int depth) {
    if (depth > kMaxDepth) return refuse();
    RegexNode all;
    all.kind = Kind::kChoice;
    do { all.parts.push_back(sequence(depth)); } while (take('|'));
    if (all.parts.size() == 1) return std::move(all.parts[0]);
    has_choice_ = true;
    return all;
  }

  RegexNode sequence(int depth) {
    RegexNode all;
    bool last_is_plain = false;
    while (!refused_ && at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      RegexNode node = atom(depth);
      bool plain = !quantify(node) && node.kind == Kind::kText;
      if (plain && last_is_plain) {
        all.parts.back().text += node.text;
      } else if (node.kind != Kind::kSequence || !node.parts.empty()) {
        all.parts.push_back(std::move(node));
        last_is_plain = plain;
      }
    }
    return all;
  }

  // Wraps `node` where a quantifier follows.
  bool quantify(RegexNode& node) {
    if (refused_ || at_ >= text_.size()) return false;
    RegexNode repeat;
    repeat.kind = Kind::kRepeat;
    char c = text_[at_];
    if (c == '*' || c == '+' || c == '?') {
      ++at_;
      repeat.least = c == '+' ? 1 : 0, repeat.most = c == '?' ? 1 : RegexNode::kNoLimit;
    } else if (c != '{' || !take_count(repeat)) {
      return false;
    }
    repeat.greedy = !take('?');
    if (at_ < text_.size() && is_quantifier(text_[at_])) refuse();
    repeat.parts.push_back(std::move(node));
    node = std::move(repeat);
    return true;
  }
  static bool is_quantifier(char c) { return c == '*' || c == '+' || c == '?' || c == '{'; }

  bool take_count(RegexNode& repeat) {
    const auto count = read_repeat_count(text_.substr(at_));
    if (!count) return false;
    repeat.least = count->least, repeat.most = count->most;
    at_ += count->size;
    return true;
  }

  RegexNode atom(int depth) {
    switch (text_[at_]) {
      case '(': return group(depth);
      case '[': return bracket();
      case '.': ++at_; return dot();
      case '^': ++at_; return assertion_node(flags_.many_lines ? Assertion::kLineBegin : Assertion::kTextBegin);
      case '$': ++at_; return assertion_node(flags_.many_lines ? Assertion::kLineEnd : Assertion::kTextEnd);
      case '\\': return escape();
      default: return character(take_utf8(text_, at_));
    }
  }

  RegexNode dot() const {
    CharClass all;
    if (!flags_.dot_is_any) all.add('\n');
    all.negate();
    return class_node(all);
  }

  RegexNode character(uint32_t code) {
    if (flags_.ignore_case && code >= 0x80) return refuse();
    if (is_letter(code)) (flags_.ignore_case ? has_folded_ : has_exact_) = true;
    if (flags_.ignore_case && is_letter(code)) {
      CharClass both;
      both.add(static_cast<uint8_t>(code));
      both.ignore_case();
      return class_node(both);
    }
    RegexNode node;
    node.kind = Kind::kText;
    append_utf8(node.text, code);
    return node;
  }

  RegexNode group(int depth) {
    ++at_;
    Flags outer = flags_;
    bool captures = true;
    if (take('?')) {
      captures = take_name();
      if (!captures && !take_flags()) return refuse();
    }
    if (!captures && take(')')) {  // (?i): from here to the end of the enclosing group
      if (at_ < text_.size() && is_quantifier(text_[at_])) return refuse();
      return {};
    }
    RegexNode node;
    if (captures) node.group = ++groups_;
    RegexNode inner = choice(depth + 1);
    if (!take(')')) return refuse();
    flags_ = outer;
    if (!captures) return inner;
    node.kind = Kind::kGroup;
    node.parts.push_back(std::move(inner));
    return node;
  }

  bool take_name() {
    std::string_view rest = text_.substr(at_);
    if (!rest.starts_with("P<") && !rest.starts_with("<")) return false;
    size_t end = text_.find('>', at_);
    if (end == std::string_view::npos) return false;
    at_ = end + 1;
    return true;
  }

  // Behind "(?": flags up to : or ), of which the ) is left.
  bool take_flags() {
    for (bool on = true; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == ')') return true;
      if (c == ':') return ++at_, true;
      if (c == '-') {
        on = false;
      } else if (c == 'i') {
        flags_.ignore_case = on;
      } else if (c == 's') {
        flags_.dot_is_any = on;
      } else if (c == 'm') {
        flags_.many_lines = on;
      } else {
        return false;
      }
    }
    return false;
  }

  RegexNode escape() {
    if (at_ + 1 >= text_.size()) return refuse();
    switch (text_[at_ + 1]) {
      case 'A': at_ += 2; return assertion_node(Assertion::kTextBegin);
      case 'z': at_ += 2; return assertion_node(Assertion::kTextEnd);
      case 'b': at_ += 2; return assertion_node(Assertion::kWordBoundary);
      case 'Q': at_ += 2; return quoted();
      default: break;
    }
    CharClass perl;
    if (take_perl_class(perl)) return class_node(perl);
    auto code = take_escaped();
    return code ? character(*code) : refuse();
  }

  RegexNode quoted() {
    RegexNode all;
    size_t end = std::min(text_.find("\\E", at_), text_.size());
    while (at_ < end) all.parts.push_back(character(take_utf8(text_, at_)));
    at_ = std::min(end + 2, text_.size());
    if (at_ < text_.size() && is_quantifier(text_[at_])) return refuse();  // it would mean the last character
    return all;
  }

  // \d and its kind.
  bool take_perl_class(CharClass& out) {
    std::string_view ranges;
    switch (text_[at_ + 1]) {
      case 'd':
      case 'D': ranges = kDigits; break;
      case 's':
      case 'S': ranges = kSpaces; break;
      case 'w':
      case 'W': ranges = kWords; break;
      default: return false;
    }
    out = folded(class_of(ranges));
    if (!is_lower(text_[at_ + 1])) out.negate();
    at_ += 2;
    return true;
  }
  static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

  CharClass folded(CharClass characters) {
    if (flags_.ignore_case) {
      has_folded_ = true;
      characters.ignore_case();
    } else {
      has_exact_ = true;
    }
    return characters;
  }

  // The character that an escape stands for.
  std::optional<uint32_t> take_escaped() {
    if (at_ + 1 >= text_.size()) return std::nullopt;
    char c = text_[at_ + 1];
    at_ += 2;
    switch (c) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case 'f': return '\f';
      case 'v': return '\v';
      case 'a': return '\a';
      case 'x': return take_hex();
      default: break;
    }
    auto code = static_cast<uint8_t>(c);
    if (code < 0x80 && !is_letter(code) && !(c >= '0' && c <= '9') && c != '_') return code;
    return std::nullopt;
  }

  // \x41, \x{41}
  std::optional<uint32_t> take_hex() {
    bool braced = take('{');
    uint32_t code = 0;
    size_t digits = 0;
    for (; at_ < text_.size() && digits < (braced ? 6u : 2u); ++at_, ++digits) {
      char c = text_[at_];
      uint32_t digit =
          c >= '0' && c <= '9' ? static_cast<uint32_t>(c - '0') : (static_cast<uint32_t>(c) | 0x20) - 'a' + 10;
      if (digit > 15) break;
      code = code * 16 + digit;
    }
    bool complete = braced ? digits > 0 && take('}') : digits == 2;
    bool is_character = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return complete && is_character ? std::optional(code) : std::nullopt;
  }

  RegexNode bracket() {
    ++at_;
    bool negated = take('^');
    CharClass all;
    for (bool first = true; !refused_; first = false) {
      if (at_ >= text_.size()) return refuse();
      if (text_[at_] == ']' && !first) break;
      all.add(folded(bracket_item()));
    }
    if (!take(']')) return refuse();
    if (negated) all.negate();
    return class_node(all);
  }

  CharClass bracket_item() {
    CharClass out;
    if (text_.substr(at_).starts_with("[:")) return posix_class();
    if (text_[at_] == '\\' && at_ + 1 < text_.size() && take_perl_class(out)) return out;
    auto first = bracket_character(), last = first;
    if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
      ++at_;
      last = bracket_character();
    }
    if (!first || !last || *first > *last) return refuse(), out;
    out.add_range(*first, *last);
    return out;
  }

  std::optional<uint32_t> bracket_character() {
    if (at_ >= text_.size()) return std::nullopt;
    if (text_[at_] == '\\') return take_escaped();
    return take_utf8(text_, at_);
  }

  CharClass posix_class() {
    at_ += 2;
    bool negated = take('^');
    for (const NamedClass& known : kPosixClasses) {
      std::string_view rest = text_.substr(at_);
      if (!rest.starts_with(known.name) || !rest.substr(known.name.size()).starts_with(":]")) continue;
      at_ += known.name.size() + 2;
      CharClass out = folded(class_of(known.ranges));
      if (negated) out.negate();
      return out;
    }
    return refuse(), CharClass();
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  RegexNode refuse() {
    refused_ = true;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  Flags flags_;
  size_t groups_ = 0;
  bool refused_ = false;
  bool has_choice_ = false, has_folded_ = false, has_exact_ = false;
};

}  // namespace

void CharClass::add_range(uint32_t first, uint32_t last) {
  for (uint32_t c = first; c <= last && c < 0x80; ++c) add(static_cast<uint8_t>(c));
  if (last >= 0x80 && beyond == Beyond::kNone) {
    beyond = first <= 0x80 && last >= 0x10ffff ? Beyond::kAll : Beyond::kUnsure;
  }
}

void CharClass::add(const CharClass& other) {
  ascii[0] |= other.ascii[0], ascii[1] |= other.ascii[1];
  bool all = beyond == Beyond::kAll || other.beyond == Beyond::kAll;
  if (all) {
    beyond = Beyond::kAll;
  } else if (other.beyond == Beyond::kUnsure) {
    beyond = Beyond::kUnsure;
  }
}

void CharClass::negate() {
  ascii[0] = ~ascii[0], ascii[1] = ~ascii[1];
  if (beyond != Beyond::kUnsure) beyond = beyond == Beyond::kAll ? Beyond::kNone : Beyond::kAll;
}

void CharClass::ignore_case() {
  for (uint8_t c = 'a'; c <= 'z'; ++c) {
    auto upper = static_cast<uint8_t>(c ^ 0x20);
    if (has(c) || has(upper)) add(c), add(upper);
  }
  if ((has('k') || has('s')) && beyond == Beyond::kNone) beyond = Beyond::kUnsure;
}

bool RegexNode::may_be_empty() const {
  auto empty = [](const RegexNode& part) { return part.may_be_empty(); };
  switch (kind) {
    case Kind::kText: return text.empty();
    case Kind::kClass: return false;
    case Kind::kAssertion: return true;
    case Kind::kChoice: return std::any_of(parts.begin(), parts.end(), empty);
    case Kind::kRepeat: return least == 0 || parts[0].may_be_empty();
    case Kind::kSequence:
    case Kind::kGroup: return std::all_of(parts.begin(), parts.end(), empty);
  }
  return true;
}

std::optional<RegexNode> read_regex(std::string_view pattern, bool dot_is_any) {
  if (!is_valid_utf8(pattern)) return std::nullopt;
  return Reader(pattern, dot_is_any).read_all();
}

}  // namespace pipeline
