// Numbers and quoted texts as Go's strconv reads and writes them.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"

namespace pipeline {

namespace {

// 1.5e+06: two digits of exponent at least, as to_chars does too.
void append_form(std::string& out, double number, std::chars_format form, int precision) {
  char buffer[512];
  auto size = std::min(precision, 400);
  auto result = precision < 0 ? std::to_chars(buffer, buffer + sizeof buffer, number, form)
                              : std::to_chars(buffer, buffer + sizeof buffer, number, form, size);
  if (result.ec == std::errc()) {
    out.append(buffer, static_cast<size_t>(result.ptr - buffer));
    return;
  }
  std::string large(2048, '\0');  // a double has at most 309 digits before the point
  result = std::to_chars(large.data(), large.data() + large.size(), number, form, size);
  out.append(large.data(), static_cast<size_t>(result.ptr - large.data()));
}

int exponent_of(double number, int precision) {
  std::string text;
  append_form(text, number, std::chars_format::scientific, precision);
  int exponent = 0;
  size_t e = text.find('e');
  if (e == std::string::npos) return 0;
  const char* digits = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, text.data() + text.size(), exponent);
  return exponent;
}

// %g: trailing zeros are not written.
void append_general(std::string& out, double number, int precision) {
  int exponent = exponent_of(number, precision < 0 ? -1 : std::max(precision, 1) - 1);
  if (precision < 0) {
    bool scientific = exponent < -4 || exponent >= 6;
    return scientific ? append_form(out, number, std::chars_format::scientific, -1) : append_plain_number(out, number);
  }
  append_form(out, number, std::chars_format::general, std::max(precision, 1));
}

// %x: 0x1.8p+00
void append_hexadecimal(std::string& out, double number, int precision) {
  if (std::signbit(number)) out.push_back('-'), number = -number;
  out.append("0x");
  append_form(out, number, std::chars_format::hex, precision);
  size_t exponent = out.rfind('p') + 2;
  if (out.size() - exponent < 2) out.insert(exponent, "0");
}

bool has_prefix(std::string_view text, char lower) {
  return text.size() > 2 && text[0] == '0' && (text[1] == lower || text[1] == lower - 'a' + 'A');
}

}  // namespace

namespace {
// The bits as they are: 1.5 is 6755399441055744p-52.
void append_binary(std::string& out, double number) {
  const auto bits = std::bit_cast<uint64_t>(number);
  const auto exponent = static_cast<int>(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & ((uint64_t{1} << 52) - 1);
  if (exponent != 0) mantissa |= uint64_t{1} << 52;
  const int power = std::max(exponent, 1) - 1075;
  out.append(std::signbit(number) ? "-" : "").append(std::to_string(mantissa)).append(power < 0 ? "p" : "p+");
  out.append(std::to_string(power));
}
}  // namespace

void append_go_float(std::string& out, double number, char form, int precision) {
  if (std::isnan(number)) return void(out.append("NaN"));
  if (std::isinf(number)) return void(out.append(number < 0 ? "-Inf" : "+Inf"));
  size_t begin = out.size();
  switch (form) {
    case 'f':
    case 'F':
      precision < 0 ? append_plain_number(out, number) : append_form(out, number, std::chars_format::fixed, precision);
      break;
    case 'e':
    case 'E': append_form(out, number, std::chars_format::scientific, precision); break;
    case 'b': append_binary(out, number); break;
    case 'x':
    case 'X': append_hexadecimal(out, number, precision); break;
    default: append_general(out, number, precision);
  }
  if (form == 'E' || form == 'G' || form == 'X') {
    for (size_t i = begin; i < out.size(); ++i)
      out[i] = out[i] >= 'a' && out[i] <= 'z' ? static_cast<char>(out[i] - 32) : out[i];
  }
}

void append_json_number(std::string& out, double number) {
  double size = std::fabs(number);
  if (size == 0 || (size >= 1e-6 && size < 1e21)) return append_plain_number(out, number);
  append_form(out, number, std::chars_format::scientific, -1);
  size_t end = out.size();  // e-09 becomes e-9
  if (out[end - 4] == 'e' && out[end - 3] == '-' && out[end - 2] == '0') out.erase(end - 2, 1);
}

void append_go_quoted(std::string& out, std::string_view text, bool ascii) {
  constexpr char kHex[] = "0123456789abcdef";
  auto hex = [&](uint32_t code, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out.push_back(kHex[code >> shift & 0xf]);
  };
  out.push_back('"');
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    uint32_t code = take_utf8(text, at);
    constexpr std::string_view kNamed = "\a\b\f\n\r\t\v", kNames = "abfnrtv";
    if (code == 0xfffd && at == begin + 1) {
      out.append("\\x"), hex(static_cast<unsigned char>(text[begin]), 2);
    } else if (code == '"' || code == '\\') {
      out.push_back('\\'), out.push_back(static_cast<char>(code));
    } else if (size_t name = code < 0x80 ? kNamed.find(static_cast<char>(code)) : kNamed.npos; name != kNamed.npos) {
      out.push_back('\\'), out.push_back(kNames[name]);
    } else if (code < 0x20 || code == 0x7f) {
      out.append("\\x"), hex(code, 2);
    } else if (code >= 0x80 && (ascii || code < 0xa1 || code == 0xad || (code >= 0x2000 && code <= 0x200f) ||
                                (code >= 0x2028 && code <= 0x202f) || code == 0xfeff)) {
      out.append(code < 0x10000 ? "\\u" : "\\U"), hex(code, code < 0x10000 ? 4 : 8);
    } else {
      append_utf8(out, code);
    }
  }
  out.push_back('"');
}

std::optional<int64_t> parse_go_integer(std::string_view text, int base) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string digits;
  if (base == 0) {
    base = has_prefix(text, 'x') ? 16 : has_prefix(text, 'b') ? 2 : has_prefix(text, 'o') ? 8 : 10;
    if (base != 10) {
      text.remove_prefix(2);
    } else if (text.size() > 1 && text[0] == '0') {
      base = 8, text.remove_prefix(1);
    }
    if (text.find('_') != std::string_view::npos) {
      if (text.back() == '_' || text.find("__") != std::string_view::npos) return std::nullopt;
      for (char c : text) {
        if (c != '_') digits.push_back(c);
      }
      text = digits;
    }
  }
  uint64_t size = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  constexpr uint64_t kLowest = uint64_t{1} << 63;
  if (size > kLowest - (negative ? 0 : 1)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - size : size);
}

}  // namespace pipeline
