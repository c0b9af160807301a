#include "pipeline/parse/go_text.h"

#include <algorithm>

#include "pipeline/model/letter_case.h"
#include "pipeline/model/quoted_text.h"

namespace pipeline::go_text {

namespace {

bool is_connector(uint32_t code) { return code == '-' || code == '_' || is_space(code); }
bool is_digit(uint32_t code) { return code >= '0' && code <= '9'; }

std::vector<uint32_t> characters(std::string_view text) {
  std::vector<uint32_t> out;
  for (size_t at = 0; at < text.size();) out.push_back(take_utf8(text, at));
  return out;
}

bool in_set(std::string_view cutset, std::string_view character) {
  for (size_t at = 0; at < cutset.size();) {
    size_t begin = at;
    take_utf8(cutset, at);
    if (cutset.substr(begin, at - begin) == character) return true;
  }
  return false;
}

// The last character of `text`, in bytes.
size_t last_size(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && text.size() - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
  size_t at = begin;
  take_utf8(text, at);
  return at == text.size() ? text.size() - begin : 1;
}

}  // namespace

bool is_space(uint32_t code) {
  return (code >= '\t' && code <= '\r') || code == ' ' || code == 0x85 || code == 0xa0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
         code == 0x3000;
}

std::string_view trim_space(std::string_view text) {
  while (!text.empty()) {
    size_t at = 0;
    if (!is_space(take_utf8(text, at))) break;
    text.remove_prefix(at);
  }
  while (!text.empty()) {
    size_t size = last_size(text), at = 0;
    if (!is_space(take_utf8(text.substr(text.size() - size), at))) break;
    text.remove_suffix(size);
  }
  return text;
}

std::string_view trim_left(std::string_view text, std::string_view cutset) {
  while (!text.empty()) {
    size_t at = 0;
    take_utf8(text, at);
    if (!in_set(cutset, text.substr(0, at))) break;
    text.remove_prefix(at);
  }
  return text;
}

std::string_view trim_right(std::string_view text, std::string_view cutset) {
  while (!text.empty()) {
    size_t size = last_size(text);
    if (!in_set(cutset, text.substr(text.size() - size))) break;
    text.remove_suffix(size);
  }
  return text;
}

Result<std::string> replace(std::string_view text, std::string_view old, std::string_view with, int64_t count,
                            size_t limit_bytes) {
  std::string out;
  size_t at = 0;
  if (old == with) count = 0;
  for (int64_t done = 0; count < 0 || done < count; ++done) {
    size_t found = old.empty() ? at : text.find(old, at);
    if (old.empty() && done > 0) {
      if (at >= text.size()) break;
      take_utf8(text, found);
    }
    if (found == std::string_view::npos) break;
    out.append(text, at, found - at).append(with);
    at = found + old.size();
    if (out.size() > limit_bytes) return fail(Errc::kOverLimit, "replace makes too long a text");
    if (old.empty() && at >= text.size()) break;
  }
  out.append(text, at);
  return out;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t count) {
  std::vector<std::string_view> parts;
  if (count == 0) return parts;
  size_t at = 0;
  if (separator.empty()) {
    while (at < text.size() && (count < 0 || static_cast<int64_t>(parts.size()) + 1 < count)) {
      size_t begin = at;
      take_utf8(text, at);
      parts.push_back(text.substr(begin, at - begin));
    }
    if (at < text.size()) parts.push_back(text.substr(at));
    return parts;
  }
  while (count < 0 || static_cast<int64_t>(parts.size()) + 1 < count) {
    size_t found = text.find(separator, at);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(at, found - at));
    at = found + separator.size();
  }
  parts.push_back(text.substr(at));
  return parts;
}

// The words of joined_words().
namespace {

enum class WordKind { kNone, kConnectors, kPunctuation, kUpper, kLower, kNumber, kOther };

struct Word {
  WordKind kind = WordKind::kNone;
  std::vector<uint32_t> letters;
};

bool is_punctuation(uint32_t code) {
  if (code < 0x80)
    return std::string_view("!\"#%&'()*,-./:;?@[\\]_{}").find(static_cast<char>(code)) != std::string_view::npos;
  return code == 0xa1 || code == 0xa7 || code == 0xab || code == 0xb6 || code == 0xb7 || code == 0xbb || code == 0xbf ||
         (code >= 0x2010 && code <= 0x2027) || (code >= 0x2030 && code <= 0x205e && code != 0x2044 && code != 0x2052) ||
         (code >= 0x3001 && code <= 0x3003) || (code >= 0x3008 && code <= 0x3011);
}

// Chinese characters are no letters here: they stand for words.
bool is_word_letter(uint32_t code) {
  if (code >= 0x3400 && code <= 0x9fcc) return false;
  if (code >= 0x20000 && code <= 0x2b81d) return false;
  return is_upper_letter(code) || is_lower_letter(code) || (is_letter_or_digit(code) && !is_digit(code));
}

WordKind kind_of(uint32_t code) {
  if (is_connector(code)) return WordKind::kConnectors;
  if (is_punctuation(code)) return WordKind::kPunctuation;
  if (is_upper_letter(code)) return WordKind::kUpper;
  if (is_word_letter(code)) return WordKind::kLower;
  return is_digit(code) ? WordKind::kNumber : WordKind::kOther;
}

// Dashes and underlines behind punctuation are punctuation too.
bool continues(WordKind kind, uint32_t code) {
  return kind == WordKind::kPunctuation ? is_punctuation(code) : kind_of(code) == kind;
}

// Runs of one kind; `Status` is one word, and the last capital of `HTTPStatus` belongs to what follows.
std::vector<Word> words_of(const std::vector<uint32_t>& all) {
  std::vector<Word> words;
  for (size_t i = 0; i < all.size();) {
    const WordKind kind = kind_of(all[i]);
    size_t end = i + 1;
    while (end < all.size() && continues(kind, all[end])) ++end;
    if (kind == WordKind::kUpper && end < all.size() && kind_of(all[end]) == WordKind::kLower) {
      if (end - i > 1) {
        --end;
      } else {
        while (end < all.size() && kind_of(all[end]) == WordKind::kLower) ++end;
      }
    }
    words.push_back(
        {kind, {all.begin() + static_cast<std::ptrdiff_t>(i), all.begin() + static_cast<std::ptrdiff_t>(end)}});
    i = end;
  }
  return words;
}

// Joins words: a connector stands between two of them unless there is one, or punctuation behind the first. A number
// belongs to the word before it (bld4_floor), or, with small letters behind it, to these (http_2xx).
class WordJoiner {
 public:
  WordJoiner(std::vector<Word> words, char connector) : words_(std::move(words)), connector_(connector) {}

  std::string join() {
    while (at_ + 1 < words_.size()) {
      const WordKind kind = kind_at(at_);
      take();
      if (kind == WordKind::kNumber) {
        take_tail();
      } else if (kind != WordKind::kConnectors && kind != WordKind::kPunctuation) {
        take_number_behind();
      }
    }
    if (at_ < words_.size()) take();
    return std::move(out_);
  }

 private:
  WordKind kind_at(size_t at) const { return at < words_.size() ? words_[at].kind : WordKind::kNone; }

  void take() {
    const bool replaced = kind_at(at_) == WordKind::kConnectors;
    for (uint32_t c : words_[at_].letters)
      append_utf8(out_, replaced ? static_cast<uint32_t>(connector_) : lower_letter(c));
    ++at_;
  }
  // Small letters and numbers belong to a number before them.
  void take_tail() {
    while (kind_at(at_) == WordKind::kLower || kind_at(at_) == WordKind::kNumber) take();
    separate();
  }
  void take_number_behind() {
    if (kind_at(at_) != WordKind::kNumber) return separate();
    if (at_ + 1 == words_.size()) return;  // the last: taken with nothing before it
    if (kind_at(at_ + 1) == WordKind::kLower) {
      out_.push_back(connector_);
      take();
      return take_tail();
    }
    take();
    separate();
  }
  void separate() {
    const WordKind next = kind_at(at_);
    if (next != WordKind::kNone && next != WordKind::kConnectors && next != WordKind::kPunctuation)
      out_.push_back(connector_);
  }

  const std::vector<Word> words_;
  const char connector_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string joined_words(std::string_view text, char connector) {
  return WordJoiner(words_of(characters(text)), connector).join();
}

std::string pascal_case(std::string_view text) {
  std::string out;
  bool starts = true, run_is_upper = false, leading = true;
  uint32_t held = 0;  // a connector that may be followed by another one
  for (uint32_t c : characters(text)) {
    if (is_connector(c)) {
      if (leading || held != 0) append_utf8(out, leading ? c : held);
      if (!leading) held = c;
      starts = true;
      continue;
    }
    leading = false;
    held = 0;
    if (starts) {
      run_is_upper = is_upper_letter(c);
      append_utf8(out, upper_letter(c));
    } else {
      bool upper = is_upper_letter(c);
      append_utf8(out, run_is_upper && upper ? lower_letter(c) : c);
      run_is_upper = run_is_upper && upper;
    }
    starts = false;
  }
  if (held != 0) append_utf8(out, held);
  return out;
}

std::string abbreviate(std::string_view text, int64_t offset, int64_t width) {
  auto size = static_cast<int64_t>(text.size());
  if (width < 4 || size <= width) return std::string(text);
  offset = std::min(offset, size);
  if (size - offset < width - 3) offset = size - (width - 3);
  if (offset <= 4) return concat(text.substr(0, static_cast<size_t>(width - 3)), "...");
  if (width < 7) return {};
  if (offset + width - 3 < size) {
    return concat("...", abbreviate(text.substr(static_cast<size_t>(offset)), 0, width - 3));
  }
  return concat("...", text.substr(static_cast<size_t>(size - (width - 3))));
}

std::string wrap(std::string_view text, int64_t width, std::string_view line_break, bool cuts) {
  auto wide = static_cast<size_t>(std::max<int64_t>(width, 1));
  if (line_break.empty()) line_break = "\n";
  std::string out;
  size_t at = 0;
  while (text.size() - at > wide) {
    if (text[at] == ' ') {
      ++at;
      continue;
    }
    size_t blank = text.rfind(' ', at + wide);
    if (blank != std::string_view::npos && blank >= at) {
      out.append(text, at, blank - at).append(line_break);
      at = blank + 1;
    } else if (cuts) {
      out.append(text, at, wide).append(line_break);
      at += wide;
    } else {
      blank = text.find(' ', at + wide);
      if (blank == std::string_view::npos) break;
      out.append(text, at, blank - at).append(line_break);
      at = blank + 1;
    }
  }
  return out.append(text, std::min(at, text.size()));
}

}  // namespace pipeline::go_text
