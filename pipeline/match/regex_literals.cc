#include "pipeline/match/regex_literals.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "pipeline/match/repeat_count.h"
#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

constexpr size_t kMaxTexts = 16;      // of one set; more says too little
constexpr size_t kMaxTextBytes = 64;  // longer literals are not more selective
constexpr int kMaxDepth = 200;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

using Texts = std::vector<RequiredLiteral>;

// One part of the expression.
struct Part {
  bool finite = false;    // `texts` is all that it matches (and then `precise` says if it matches them exactly there)
  bool precise = true;    // no anchors, no mixture of exact and case-blind pieces
  bool optional = false;  // was quantified by * or ? or {0,...}: may match the empty text anywhere
  Texts texts;            // finite
  Texts required;         // not finite: one of them occurs; empty: unknown
};

Part anything() { return {}; }
Part text_part(std::string text, bool ignore_case) {
  return {.finite = true, .texts = {{std::move(text), ignore_case}}, .required = {}};
}
Part empty_part(bool precise) {
  Part part = text_part("", false);
  part.precise = precise;
  return part;
}

size_t shortest(const Texts& texts) {
  size_t length = kMaxTextBytes;
  for (const RequiredLiteral& text : texts) length = std::min(length, text.text.size());
  return texts.empty() ? 0 : length;
}

// More is better: the length of the shortest counts most.
size_t worth(const Texts& texts) {
  size_t length = shortest(texts);
  return length == 0 ? 0 : length * 2 * kMaxTexts - texts.size();
}

void add_text(Texts& texts, RequiredLiteral text) {
  if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
}

const Texts& required_of(const Part& part) { return part.finite ? part.texts : part.required; }

// Of a concatenation: texts are multiplied out as long as they are few.
class Concatenation {
 public:
  void add(const Part& part) {
    if (!part.finite) {
      end_run();
      offer(part.required);
      whole_ = false;
      return;
    }
    precise_ = precise_ && part.precise;
    Texts product;
    bool fits = run_.size() * part.texts.size() <= kMaxTexts;
    for (size_t i = 0; fits && i < run_.size(); ++i) {
      for (const RequiredLiteral& right : part.texts) fits = fits && append(product, run_[i], right);
    }
    if (fits) {
      run_ = std::move(product);
      return;
    }
    end_run();
    whole_ = false;
    run_ = part.texts;
  }

  Part finish() {
    if (whole_) return {.finite = true, .precise = precise_, .texts = run_, .required = {}};
    end_run();
    return {.precise = false, .texts = {}, .required = best_};
  }

 private:
  bool append(Texts& product, const RequiredLiteral& left, const RequiredLiteral& right) {
    if (left.text.size() + right.text.size() > kMaxTextBytes) return false;
    bool ignore_case = left.ignore_case || right.ignore_case;
    if (ignore_case && (has_exact_letter(left) || has_exact_letter(right))) precise_ = false;
    std::string text = left.text + right.text;
    for (char& c : text) c = ignore_case && is_letter(c) ? static_cast<char>(c | 0x20) : c;
    add_text(product, {std::move(text), ignore_case});
    return true;
  }
  static bool has_exact_letter(const RequiredLiteral& text) {
    return !text.ignore_case && std::any_of(text.text.begin(), text.text.end(), is_letter);
  }
  void end_run() {
    offer(run_);
    run_ = {{"", false}};
  }
  void offer(const Texts& texts) {
    if (worth(texts) > worth(best_)) best_ = texts;
  }

  Texts run_ = {{"", false}};
  Texts best_;
  bool whole_ = true, precise_ = true;
};

Part either(const Part& a, const Part& b) {
  Part out;
  out.finite = a.finite && b.finite;
  out.precise = a.precise && b.precise;
  Texts& to = out.finite ? out.texts : out.required;
  for (const Part* part : {&a, &b}) {
    if (!out.finite && shortest(required_of(*part)) == 0) return anything();
    for (const RequiredLiteral& text : required_of(*part)) add_text(to, text);
  }
  return to.size() <= kMaxTexts ? out : anything();
}

class Reader {
 public:
  explicit Reader(std::string_view pattern) : text_(pattern) {}

  // Nothing: syntax this reader does not know.
  std::optional<Part> read_all() {
    Part part = alternation(0);
    if (lost_ || at_ != text_.size()) return std::nullopt;
    return part;
  }
  // The top level without what may be empty at its ends: a search finds the same lines.
  const Part& trimmed() const { return trimmed_; }

 private:
  Part alternation(int depth) {
    bool outer_ignore = ignore_case_;
    std::optional<Part> all, all_trimmed;
    do {
      std::vector<Part> parts = sequence(depth);
      Part branch = join(parts, 0, parts.size());
      all = all ? either(*all, branch) : branch;
      if (depth == 0) {
        size_t first = 0, last = parts.size();
        while (first < last && parts[first].optional) ++first;
        while (first < last && parts[last - 1].optional) --last;
        Part core = join(parts, first, last);
        all_trimmed = all_trimmed ? either(*all_trimmed, core) : core;
      }
    } while (take('|'));
    if (depth == 0) trimmed_ = *all_trimmed;
    ignore_case_ = outer_ignore;
    return *all;
  }

  static Part join(const std::vector<Part>& parts, size_t first, size_t last) {
    Concatenation out;
    for (size_t i = first; i < last; ++i) out.add(parts[i]);
    return out.finish();
  }

  std::vector<Part> sequence(int depth) {
    std::vector<Part> parts;
    while (!lost_ && at_ < text_.size() && text_[at_] != '|' && text_[at_] != ')') {
      Part part = atom(depth);
      parts.push_back(quantified(std::move(part)));
    }
    return parts;
  }

  Part quantified(Part part) {
    while (!lost_ && at_ < text_.size()) {
      char c = text_[at_];
      int least = 0, most = -1;
      if (c == '*' || c == '+' || c == '?') {
        ++at_;
        least = c == '+' ? 1 : 0, most = c == '?' ? 1 : -1;
      } else if (c != '{' || !take_count(least, most)) {
        return part;
      }
      take('?');  // lazy
      part = repeated(std::move(part), least, most);
    }
    return part;
  }

  static Part repeated(Part part, int least, int most) {
    if (least == 1 && most == 1) return part;
    Part out;
    if (least == 0) {
      if (most == 1 && part.finite) {
        out = std::move(part);
        add_text(out.texts, {"", false});
      }
      out.optional = true;
      return out;
    }
    out.required = required_of(part);
    if (shortest(out.required) == 0) out.required.clear();
    return out;
  }

  bool take_count(int& least, int& most) {
    const auto count = read_repeat_count(text_.substr(at_));
    if (!count) return false;
    least = count->least, most = count->most;
    at_ += count->size;
    return true;
  }

  Part atom(int depth) {
    char c = text_[at_];
    switch (c) {
      case '(': return group(depth);
      case '[': return character_class();
      case '.': ++at_; return anything();
      case '^':
      case '$': ++at_; return empty_part(false);
      case '\\': return escape();
      default: return character(take_utf8(text_, at_));
    }
  }

  // A character as it stands. Folding beyond ASCII (k and s have such partners too) is left out.
  Part character(uint32_t code) {
    if (code == 0xfffd) return anything();  // also stands for a bad byte
    std::string text;
    append_utf8(text, code);
    if (!ignore_case_) return text_part(std::move(text), false);
    bool folds_further = code >= 0x80 || code == 'k' || code == 'K' || code == 's' || code == 'S';
    if (folds_further) return anything();
    if (!is_letter(text[0])) return text_part(std::move(text), false);
    text[0] = static_cast<char>(text[0] | 0x20);
    return text_part(std::move(text), true);
  }

  Part group(int depth) {
    if (depth >= kMaxDepth) return lose();
    ++at_;
    bool outer_ignore = ignore_case_;
    if (take('?') && !group_flags()) return lose();
    if (take(')')) {  // (?i): from here to the end of the enclosing group; a quantifier would mean what is before it
      bool odd = at_ < text_.size() && std::string_view("*+?{").find(text_[at_]) != std::string_view::npos;
      return odd ? lose() : empty_part(true);
    }
    Part part = alternation(depth + 1);
    if (!take(')')) return lose();
    ignore_case_ = outer_ignore;
    return part;
  }

  // Behind "(?": flags up to : or ), or a name. The closing ) of bare flags is left.
  bool group_flags() {
    if (take('P') || (at_ < text_.size() && text_[at_] == '<')) {
      size_t end = text_.find('>', at_);
      if (!take('<') || end == std::string_view::npos) return false;
      at_ = end + 1;
      return true;
    }
    for (bool on = true; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == ')') return true;
      if (c == ':') {
        ++at_;
        return true;
      }
      if (c == '-') {
        on = false;
      } else if (c == 'i') {
        ignore_case_ = on;
      } else if (c != 's' && c != 'm' && c != 'U') {
        return false;
      }
    }
    return false;
  }

  Part escape() {
    if (at_ + 1 >= text_.size()) return lose();
    char c = text_[at_ + 1];
    at_ += 2;
    if (c == 'Q') return quoted();
    if (c == 'b' || c == 'B' || c == 'A' || c == 'z') return empty_part(false);
    if (std::string_view("dDsSwWC").find(c) != std::string_view::npos) return anything();
    if (c == 'p' || c == 'P') return property();
    if (auto code = character_escape(c)) return character(*code);
    return lose();
  }

  std::optional<uint32_t> character_escape(char c) {
    switch (c) {
      case 'n': return '\n';
      case 't': return '\t';
      case 'r': return '\r';
      case 'f': return '\f';
      case 'v': return '\v';
      case 'a': return '\a';
      default: break;
    }
    if (static_cast<unsigned char>(c) < 0x80 && !is_letter(c) && !(c >= '0' && c <= '9')) return c;
    return std::nullopt;  // \x41, \101: rare, not worth the code
  }

  Part property() {
    if (take('{')) {
      size_t end = text_.find('}', at_);
      if (end == std::string_view::npos) return lose();
      at_ = end + 1;
    } else {
      ++at_;
    }
    return anything();
  }

  Part quoted() {
    size_t end = text_.find("\\E", at_);
    Concatenation all;
    for (size_t stop = std::min(end, text_.size()); at_ < stop;) all.add(character(take_utf8(text_, at_)));
    at_ = std::min(end == std::string_view::npos ? end : end + 2, text_.size());
    return all.finish();
  }

  // A class of a few plain characters is their alternation; anything else is unknown. Skips to the closing bracket.
  Part character_class() {
    size_t begin = ++at_;
    bool simple = !take('^');
    std::vector<uint32_t> codes;
    for (bool first = true; at_ < text_.size(); first = false) {
      char c = text_[at_];
      if (c == ']' && !first) {
        ++at_;
        return simple ? of_characters(codes) : anything();
      }
      if (c == '[' && at_ + 1 < text_.size() && text_[at_ + 1] == ':') {
        size_t end = text_.find(":]", at_ + 2);
        if (end == std::string_view::npos) return lose();
        at_ = end + 2, simple = false;
      } else if (c == '\\') {
        if (!class_escape(codes)) simple = false;
        if (lost_) return lose();
      } else {
        if (c == '-' && at_ > begin && at_ + 1 < text_.size() && text_[at_ + 1] != ']') simple = false;  // a range
        codes.push_back(take_utf8(text_, at_));
      }
    }
    return lose();
  }

  bool class_escape(std::vector<uint32_t>& codes) {
    if (at_ + 1 >= text_.size()) return lose(), false;
    char c = text_[at_ + 1];
    at_ += 2;
    if (c == 'p' || c == 'P') return property(), false;
    if (c == 'x' && take('{')) return property_end();
    auto code = character_escape(c);
    if (code) codes.push_back(*code);
    return code.has_value();
  }
  bool property_end() {
    size_t end = text_.find('}', at_);
    if (end == std::string_view::npos) lose();
    at_ = std::min(end, text_.size() - 1) + 1;
    return false;
  }

  Part of_characters(const std::vector<uint32_t>& codes) {
    if (codes.empty() || codes.size() > 4) return anything();
    Part all = character(codes[0]);
    for (size_t i = 1; i < codes.size(); ++i) all = either(all, character(codes[i]));
    return all;
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Part lose() {
    lost_ = true;
    at_ = text_.size();
    return anything();
  }

  std::string_view text_;
  size_t at_ = 0;
  bool ignore_case_ = false;
  bool lost_ = false;
  Part trimmed_;
};

}  // namespace

RegexLiterals find_literals(std::string_view pattern) {
  RegexLiterals out;
  if (!is_valid_utf8(pattern)) return out;
  Reader reader(pattern);
  auto whole = reader.read_all();
  if (!whole) return out;
  const Part& core = reader.trimmed();
  out.decides = core.finite && core.precise;
  if (shortest(required_of(core)) > 0 || out.decides) out.required = required_of(core);
  if (whole->finite && whole->precise) {
    for (const RequiredLiteral& text : whole->texts) {
      if (text.ignore_case) return out.values.clear(), out;
      out.values.push_back(text.text);
    }
  }
  return out;
}

}  // namespace pipeline
