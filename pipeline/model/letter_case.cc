#include "pipeline/model/letter_case.h"

#include <locale.h>
#include <wctype.h>

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

locale_t unicode() {
  static const locale_t kUnicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);  // absent: ASCII only
  return kUnicode;
}

bool is_ascii(uint32_t code) { return code < 0x80 || unicode() == nullptr; }

// ASCII bytes from `first` to `last` get their other case; the text from the first other byte on goes through `turn`.
template <class Turn>
std::string turned(std::string_view text, char first, char last, Turn turn) {
  std::string out(text);
  size_t at = 0;
  for (; at < text.size() && static_cast<unsigned char>(text[at]) < 0x80; ++at) {
    if (out[at] >= first && out[at] <= last) out[at] = static_cast<char>(out[at] ^ 0x20);
  }
  out.resize(at);
  while (at < text.size()) append_utf8(out, turn(take_utf8(text, at)));
  return out;
}

}  // namespace

uint32_t lower_letter(uint32_t code) {
  if (is_ascii(code)) return code >= 'A' && code <= 'Z' ? code ^ 0x20u : code;
  return static_cast<uint32_t>(towlower_l(static_cast<wint_t>(code), unicode()));
}

uint32_t upper_letter(uint32_t code) {
  if (is_ascii(code)) return code >= 'a' && code <= 'z' ? code ^ 0x20u : code;
  return static_cast<uint32_t>(towupper_l(static_cast<wint_t>(code), unicode()));
}

bool is_upper_letter(uint32_t code) {
  if (is_ascii(code)) return code >= 'A' && code <= 'Z';
  return iswupper_l(static_cast<wint_t>(code), unicode()) != 0;
}

bool is_lower_letter(uint32_t code) {
  if (is_ascii(code)) return code >= 'a' && code <= 'z';
  return iswlower_l(static_cast<wint_t>(code), unicode()) != 0;
}

bool is_letter_or_digit(uint32_t code) {
  if (is_ascii(code)) {
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= '0' && code <= '9');
  }
  return iswalnum_l(static_cast<wint_t>(code), unicode()) != 0;
}

std::string to_lower(std::string_view text) { return turned(text, 'A', 'Z', lower_letter); }
std::string to_upper(std::string_view text) { return turned(text, 'a', 'z', upper_letter); }

}  // namespace pipeline
