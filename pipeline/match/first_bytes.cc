#include "pipeline/match/first_bytes.h"

#include <algorithm>

namespace pipeline {

namespace {

using Bytes = std::bitset<256>;

// Reads the beginning of an expression. Whatever it is not sure about, it gives up on.
class Reader {
 public:
  explicit Reader(std::string_view pattern) : rest_(pattern) {}

  std::optional<Bytes> expression() {
    if (!take("^") && !take("\\A")) return std::nullopt;
    if (has_outer_alternative(rest_)) return std::nullopt;  // ^a|b: b may be anywhere
    return sequence();
  }

 private:
  // The first bytes of what is left, up to the end of its alternative.
  std::optional<Bytes> sequence() {
    if (rest_.starts_with('(')) return group();
    auto bytes = atom();
    if (!bytes || is_optional()) return std::nullopt;
    return bytes;
  }

  std::optional<Bytes> group() {
    std::string_view body = rest_.substr(1);
    if (body.starts_with("?P<") || body.starts_with("?<")) {
      body.remove_prefix(std::min(body.find('>'), body.size() - 1) + 1);
    } else if (body.starts_with("?:")) {
      body.remove_prefix(2);
    } else if (body.starts_with("?")) {
      return std::nullopt;  // flags
    }
    const size_t end = end_of_group(body);
    if (end >= body.size()) return std::nullopt;
    Bytes all;
    for (size_t at = 0; at <= end;) {
      const size_t stop = end_of_alternative(body.substr(0, end), at);
      auto bytes = Reader(body.substr(at, stop - at)).sequence();
      if (!bytes) return std::nullopt;
      all |= *bytes;
      at = stop + 1;
    }
    rest_ = body.substr(end + 1);
    if (is_optional()) return std::nullopt;
    return all;
  }

  // One character or class.
  std::optional<Bytes> atom() {
    if (rest_.empty()) return std::nullopt;
    const char c = rest_.front();
    if (c == '[') return bracket();
    if (c == '\\') return escape();
    rest_.remove_prefix(1);
    if (static_cast<unsigned char>(c) >= 0x80 || std::string_view(".^$*+?{}()|").find(c) != std::string_view::npos) {
      return std::nullopt;
    }
    return only(c);
  }

  std::optional<Bytes> escape() {
    if (rest_.size() < 2) return std::nullopt;
    const char c = rest_[1];
    rest_.remove_prefix(2);
    Bytes digits, words, spaces;
    for (int b = 0; b < 0x80; ++b) {
      const bool digit = b >= '0' && b <= '9';
      digits[static_cast<size_t>(b)] = digit;
      words[static_cast<size_t>(b)] = digit || (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_';
      spaces[static_cast<size_t>(b)] = b == ' ' || b == '\t' || b == '\n' || b == '\f' || b == '\r';
    }
    switch (c) {
      case 'd': return digits;
      case 'D': return ~digits;
      case 'w': return words;
      case 'W': return ~words;
      case 's': return spaces;
      case 'S': return ~spaces;
      case 't': return only('\t');
      default: break;
    }
    // An escaped mark stands for itself; other letters and digits have meanings of their own.
    if (words[static_cast<unsigned char>(c)] || static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    return only(c);
  }

  std::optional<Bytes> bracket() {
    rest_.remove_prefix(1);
    const bool negated = take("^");
    Bytes all;
    for (bool first = true; first || !rest_.starts_with(']'); first = false) {
      if (rest_.empty() || rest_.starts_with("[:")) return std::nullopt;
      auto one = rest_.front() == '\\' ? escape() : plain();
      if (!one) return std::nullopt;
      if (rest_.size() > 1 && rest_[0] == '-' && rest_[1] != ']') {
        rest_.remove_prefix(1);
        auto last = rest_.front() == '\\' ? escape() : plain();
        if (!last || one->count() != 1 || last->count() != 1) return std::nullopt;
        for (size_t b = one->_Find_first(); b <= last->_Find_first(); ++b) all.set(b);
      } else {
        all |= *one;
      }
    }
    rest_.remove_prefix(1);
    if (!negated) return all;
    for (size_t b = 0x80; b < 256; ++b) all.reset(b);  // a negated class has characters that begin with each of these
    return ~all;
  }

  std::optional<Bytes> plain() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    if (static_cast<unsigned char>(c) >= 0x80) return std::nullopt;
    return only(c);
  }

  // Whether what was just read may be left out.
  bool is_optional() const {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    return c == '*' || c == '?' || (c == '{' && !(rest_.size() > 1 && rest_[1] >= '1' && rest_[1] <= '9'));
  }

  static Bytes only(char c) {
    Bytes bytes;
    return bytes.set(static_cast<unsigned char>(c));
  }

  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

  // Moves over a character, an escape or a class.
  static size_t skip_one(std::string_view text, size_t at) {
    if (text[at] == '\\') return at + 2;
    if (text[at] != '[') return at + 1;
    size_t i = at + 1;
    if (i < text.size() && text[i] == '^') ++i;
    for (bool first = true; i < text.size() && (first || text[i] != ']'); first = false) {
      i += text[i] == '\\' ? 2 : 1;
    }
    return i + 1;
  }

  // The `)` of a group whose content begins `body`, or its size.
  static size_t end_of_group(std::string_view body) {
    size_t depth = 0, at = 0;
    while (at < body.size()) {
      if (body[at] == '(') ++depth;
      if (body[at] == ')' && depth-- == 0) return at;
      at = skip_one(body, at);
    }
    return body.size();
  }

  // The `|` outside of groups at or behind `at`, or the end.
  static size_t end_of_alternative(std::string_view body, size_t at) {
    size_t depth = 0;
    while (at < body.size()) {
      if (body[at] == '(') ++depth;
      if (body[at] == ')') --depth;
      if (body[at] == '|' && depth == 0) return at;
      at = skip_one(body, at);
    }
    return body.size();
  }

  static bool has_outer_alternative(std::string_view body) { return end_of_alternative(body, 0) < body.size(); }

  std::string_view rest_;
};

}  // namespace

std::optional<FirstBytes> FirstBytes::of(std::string_view pattern) {
  if (pattern.find("\\Q") != std::string_view::npos || pattern.find("[:") != std::string_view::npos)
    return std::nullopt;
  for (size_t at = 0; (at = pattern.find("(?", at)) != std::string_view::npos; at += 2) {
    const std::string_view kind = pattern.substr(at + 2);
    // Flags hold for all that follows, other alternatives included.
    if (!kind.starts_with(':') && !kind.starts_with("P<") && !kind.starts_with('<')) return std::nullopt;
  }
  auto bytes = Reader(pattern).expression();
  if (!bytes) return std::nullopt;
  return FirstBytes(*bytes);
}

}  // namespace pipeline
