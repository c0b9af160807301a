#include "pipeline/parse/template_constant.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/value_text.h"

namespace pipeline {

namespace {

std::optional<uint32_t> take_digits(std::string_view text, size_t& at, size_t count, int base) {
  if (text.size() - at < count) return std::nullopt;
  uint32_t code = 0;
  const char* begin = text.data() + at;
  auto [end, error] = std::from_chars(begin, begin + count, code, base);
  if (error != std::errc() || end != begin + count) return std::nullopt;
  at += count;
  return code;
}

// text[at] is behind a backslash. Appends what the escape means.
bool append_escape(std::string& out, std::string_view text, size_t& at, char quote) {
  if (at >= text.size()) return false;
  char c = text[at++];
  constexpr std::string_view kNames = "abfnrtv\\", kMeanings = "\a\b\f\n\r\t\v\\";
  if (size_t name = kNames.find(c); name != kNames.npos) return out.push_back(kMeanings[name]), true;
  if (c == quote) return out.push_back(c), true;
  if (c == 'x' || (c >= '0' && c <= '7')) {
    if (c != 'x') --at;
    auto code = c == 'x' ? take_digits(text, at, 2, 16) : take_digits(text, at, 3, 8);
    if (!code || *code > 0xff) return false;
    return out.push_back(static_cast<char>(*code)), true;
  }
  if (c != 'u' && c != 'U') return false;
  auto code = take_digits(text, at, c == 'u' ? 4 : 8, 16);
  if (!code || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)) return false;
  return append_utf8(out, *code), true;
}

tl::unexpected<Error> malformed(std::string_view what, std::string_view text) {
  std::string quoted;
  append_go_quoted(quoted, text);
  return fail(Errc::kInvalid, concat(what, quoted));
}

Result<TemplateNumber> character_number(std::string_view text) {
  std::string_view inner = text.substr(1, text.size() - 2);
  std::string decoded;
  size_t at = 0;
  if (inner.starts_with('\\')) {
    at = 1;
    bool byte = inner.size() > 1 && (inner[1] == 'x' || (inner[1] >= '0' && inner[1] <= '7'));
    if (!append_escape(decoded, inner, at, '\'') || at != inner.size()) {
      return fail(Errc::kInvalid, concat("malformed character constant: ", text));
    }
    if (byte) {
      auto code = static_cast<int64_t>(static_cast<unsigned char>(decoded[0]));
      return TemplateNumber{TemplateValue::integer(code), code, static_cast<double>(code)};
    }
  } else {
    if (!inner.empty()) take_utf8(inner, at);
    if (inner.empty() || at != inner.size()) {
      return fail(Errc::kInvalid, concat("malformed character constant: ", text));
    }
    decoded = inner;
  }
  at = 0;
  auto code = static_cast<int64_t>(take_utf8(decoded, at));
  return TemplateNumber{TemplateValue::integer(code), code, static_cast<double>(code)};
}

// 0x1p4 and 1_000.5 too.
std::optional<double> float_of(std::string_view text) {
  std::string plain(text);
  plain.erase(std::remove(plain.begin(), plain.end(), '_'), plain.end());
  std::string_view rest = plain;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (!rest.starts_with("0x") && !rest.starts_with("0X")) {
    auto number = parse_go_float(plain);
    return number ? std::optional(*number) : std::nullopt;
  }
  rest.remove_prefix(2);
  double number = 0;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::hex);
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return negative ? -number : number;
}

}  // namespace

Result<TemplateNumber> template_number(std::string_view text, bool is_character) {
  if (is_character) return character_number(text);
  if (text.ends_with('i')) {
    std::string_view part = text.substr(0, text.size() - 1);
    if (size_t sign = part.find_last_of("+-"); sign != part.npos && sign > 0 && part[sign - 1] != 'e') {
      part.remove_prefix(sign);
    }
    auto number = float_of(part);
    if (!number) return malformed("illegal number syntax: ", text);
    return TemplateNumber{TemplateValue::imaginary(*number), std::nullopt, std::nullopt};
  }
  TemplateNumber out;
  out.integer = parse_go_integer(text, 0);
  if (out.integer) {
    out.number = static_cast<double>(*out.integer);
    out.value = TemplateValue::integer(*out.integer);
    return out;
  }
  out.number = float_of(text);
  if (!out.number) return malformed("illegal number syntax: ", text);
  bool looks_float = text.find_first_of(".eEpP") != std::string_view::npos;
  if (!looks_float) return malformed("integer overflow: ", text);
  if (std::fabs(*out.number) < 9.2e18 && std::trunc(*out.number) == *out.number) {
    out.integer = static_cast<int64_t>(*out.number);
  }
  out.value = TemplateValue::number(*out.number);
  return out;
}

std::optional<std::string> unquote_template_text(std::string_view literal) {
  std::string_view inner = literal.substr(1, literal.size() - 2);
  std::string out;
  if (literal[0] == '`') {
    for (char c : inner) {
      if (c != '\r') out.push_back(c);
    }
    return out;
  }
  for (size_t at = 0; at < inner.size();) {
    char c = inner[at++];
    if (c != '\\') {
      out.push_back(c);
    } else if (!append_escape(out, inner, at, '"')) {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace pipeline
