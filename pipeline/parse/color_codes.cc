#include "pipeline/parse/color_codes.h"

namespace pipeline {
namespace {

constexpr char kEscape = '\x1b';
constexpr std::string_view kIntroducer8bit = "\xc2\x9b";  // U+009B in UTF-8

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_final(char c) {
  return is_digit(c) || (c >= 'A' && c <= 'P') || c == 'R' || c == 'Z' || c == 'c' || (c >= 'f' && c <= 'n') ||
         c == 'q' || c == 'r' || c == 't' || c == 'y' || c == '=' || c == '>' || c == '<' || c == '~';
}

// Parameters `a1;b2;...` ended by BEL; npos where it is not so. The first part may be missing.
size_t end_of_bell_form(std::string_view text, size_t at) {
  for (; at < text.size(); ++at) {
    if (text[at] == '\a') return at + 1;
    if (text[at] != ';' && !is_word(text[at])) break;
  }
  return std::string_view::npos;
}

// 1-4 digits, then ;0-4 digits repeated, all optional, then one final character. The list gives digits back when no
// final follows it: a digit is a final too.
size_t end_of_number_form(std::string_view text, size_t begin) {
  size_t at = begin;
  auto digits = [&] {
    size_t n = 0;
    while (n < 4 && at < text.size() && is_digit(text[at])) ++at, ++n;
    return n;
  };
  if (digits() > 0) {
    while (at < text.size() && text[at] == ';') {
      ++at;
      digits();
    }
  }
  if (at < text.size() && is_final(text[at])) return at + 1;
  for (; at > begin; --at)
    if (is_digit(text[at - 1])) return at;
  return std::string_view::npos;
}

size_t end_of_sequence(std::string_view text, size_t at) {
  constexpr std::string_view kOpening = "[]()#;?";
  while (at < text.size() && kOpening.find(text[at]) != std::string_view::npos) ++at;
  const size_t bell = end_of_bell_form(text, at);
  return bell != std::string_view::npos ? bell : end_of_number_form(text, at);
}

}  // namespace

bool has_color_codes(std::string_view line) {
  return line.find(kEscape) != std::string_view::npos || line.find(kIntroducer8bit) != std::string_view::npos;
}

void append_without_colors(std::string& out, std::string_view line) {
  for (size_t at = 0; at < line.size();) {
    size_t introducer = 0;
    if (line[at] == kEscape) introducer = 1;
    if (line.substr(at).starts_with(kIntroducer8bit)) introducer = kIntroducer8bit.size();
    const size_t end = introducer ? end_of_sequence(line, at + introducer) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += line[at++];
    } else {
      at = end;
    }
  }
}

}  // namespace pipeline
