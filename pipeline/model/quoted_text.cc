#include "pipeline/model/quoted_text.h"

#include <array>
#include <cstring>

#include "pipeline/model/label_set.h"

namespace pipeline {

namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// `count` digits of `base` at text[at]; nothing if there are fewer.
std::optional<uint32_t> take_digits(std::string_view text, size_t& at, int count, int base) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i, ++at) {
    int digit = at < text.size() ? hex_digit(text[at]) : -1;
    if (digit < 0 || digit >= base) return std::nullopt;
    value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
  }
  return value;
}

// The escape after the backslash at text[at - 1].
Result<void> take_escape(std::string_view text, size_t& at, std::string& out) {
  static constexpr std::string_view kNames = "abfnrtv\\'\"", kBytes = "\a\b\f\n\r\t\v\\'\"";
  auto invalid = [] { return fail(Errc::kInvalid, "invalid char escape"); };
  if (at >= text.size()) return fail(Errc::kInvalid, "literal not terminated");
  char c = text[at];
  if (size_t known = kNames.find(c); known != std::string_view::npos) {
    ++at;
    out += kBytes[known];
    return {};
  }
  if (c >= '0' && c <= '7') {
    auto value = take_digits(text, at, 3, 8);
    if (!value || *value > 255) return invalid();
    out += static_cast<char>(*value);
    return {};
  }
  int count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  if (count == 0) return invalid();
  ++at;
  auto value = take_digits(text, at, count, 16);
  if (!value) return invalid();
  if (c == 'x') {
    out += static_cast<char>(*value);
  } else if (*value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)) {
    return invalid();
  } else {
    append_utf8(out, *value);
  }
  return {};
}

}  // namespace

Result<std::string> take_quoted(std::string_view text, size_t& at) {
  char quote = at < text.size() ? text[at] : '\0';
  if (quote != '"' && quote != '\'' && quote != '`') return fail(Errc::kInvalid, "expecting a quoted text");
  ++at;
  std::string out;
  while (at < text.size() && text[at] != quote) {
    char c = text[at++];
    if (c == '\n' && quote != '`') return fail(Errc::kInvalid, "literal not terminated");
    if (c == '\\' && quote != '`') {
      TRY(take_escape(text, at, out));
    } else {
      out += c;
    }
  }
  if (at >= text.size()) return fail(Errc::kInvalid, "literal not terminated");
  ++at;
  return out;
}

void append_utf8(std::string& out, uint32_t c) {
  auto put = [&out](uint32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6), put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 0x3f)), put(0x80 | (c >> 6 & 0x3f)), put(0x80 | (c & 0x3f));
  }
}

uint32_t take_utf8(std::string_view text, size_t& at) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  uint32_t first = byte(at);
  if (first < 0x80) return ++at, first;
  int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  static constexpr std::array<uint32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
  uint32_t value = first & (0x3fu >> more);
  bool good = first >= 0xc2 && first <= 0xf4;
  for (int i = 1; good && i <= more; ++i) {
    uint32_t next = byte(at + static_cast<size_t>(i));
    good = (next & 0xc0) == 0x80;
    value = value << 6 | (next & 0x3f);
  }
  if (!good || value < kLeast[static_cast<size_t>(more)] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
    return ++at, 0xfffd;
  at += static_cast<size_t>(more) + 1;
  return value;
}

bool is_valid_utf8(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  for (size_t at = 0; at < text.size();) {
    uint64_t word = 0;
    if (text.size() - at >= sizeof word) {  // most texts are ASCII
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & kHighBits) == 0) {
        at += sizeof word;
        continue;
      }
    }
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    size_t begin = at;
    if (take_utf8(text, at) == 0xfffd && at == begin + 1) return false;
  }
  return true;
}

void append_quoted(std::string& out, std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  auto put_hex = [&out](uint32_t v, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += kHex[v >> shift & 15];
  };
  out += '"';
  for (size_t at = 0; at < value.size();) {
    size_t begin = at;
    uint32_t c = take_utf8(value, at);
    static constexpr std::string_view kSpecial = "\a\b\f\n\r\t\v\\\"", kNames = "abfnrtv\\\"";
    if (c == 0xfffd && at == begin + 1) {
      out += "\\x", put_hex(static_cast<uint8_t>(value[begin]), 2);
    } else if (size_t known = c < 0x80 ? kSpecial.find(static_cast<char>(c)) : std::string_view::npos;
               known != std::string_view::npos) {
      out += '\\', out += kNames[known];
    } else if (c < 0x20 || c == 0x7f) {
      out += "\\x", put_hex(c, 2);
    } else if ((c >= 0x80 && c < 0xa1) || c == 0xad || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
               (c >= 0xe000 && c < 0xf900)) {
      out += "\\u", put_hex(c, 4);  // not printable in Go's sense
    } else {
      out += value.substr(begin, at - begin);
    }
  }
  out += '"';
}

}  // namespace pipeline
