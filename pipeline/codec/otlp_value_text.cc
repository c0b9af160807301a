#include "pipeline/codec/otlp_value_text.h"

#include <charconv>
#include <cmath>
#include <map>

#include "pipeline/base/text_encoding.h"

namespace pipeline {

namespace {

using Kind = OtlpValue::Kind;

// As Go's encoding/json: the shortest digits that read back the same, with an exponent below 1e-6 and from 1e21.
void append_number(std::string& out, double number) {
  if (std::isnan(number) || std::isinf(number)) {
    out += std::isnan(number) ? "json: unsupported value: NaN"
                              : (number > 0 ? "json: unsupported value: +Inf" : "json: unsupported value: -Inf");
    return;
  }
  char buffer[400];
  double size = std::fabs(number);
  bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number,
                                    exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  size_t sign = text.rfind("e-0");
  if (exponent && sign != text.npos && sign + 4 == text.size()) {  // e-09 is e-9
    out.append(text.substr(0, sign + 2)).push_back(text.back());
  } else {
    out.append(text);
  }
}

// Bytes of one character at the front of `text`; 0: not UTF-8.
size_t character_bytes(std::string_view text) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  size_t size = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
  if (size == 1) return 1;
  if (first < 0xc2 || first > 0xf4 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) || (first == 0xf0 && byte(1) < 0x90) ||
      (first == 0xf4 && byte(1) > 0x8f))
    return 0;
  return size;
}

void append_escape(std::string& out, unsigned code) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u00";
  out.push_back(kDigits[code >> 4 & 15]);
  out.push_back(kDigits[code & 15]);
}

void append_json_text(std::string& out, std::string_view text) {
  out.push_back('"');
  while (!text.empty()) {
    size_t size = character_bytes(text);
    if (size == 0) {
      out += "\\ufffd";
      size = 1;
    } else if (size > 1) {
      std::string_view character = text.substr(0, size);
      if (character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9")  // line and paragraph separator
        out.append("\\u202").push_back(character[2] == '\xa8' ? '8' : '9');
      else
        out.append(character);
    } else {
      char c = text[0];
      switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
          if (c < 0x20 || c == '<' || c == '>' || c == '&')
            append_escape(out, static_cast<unsigned char>(c));
          else
            out.push_back(c);
      }
    }
    text.remove_prefix(size);
  }
  out.push_back('"');
}

// False: it has no JSON form.
bool append_json(std::string& out, const OtlpValue& value) {
  switch (value.kind) {
    case Kind::kEmpty: out += "null"; return true;
    case Kind::kText: append_json_text(out, value.text); return true;
    case Kind::kBool: out += value.integer != 0 ? "true" : "false"; return true;
    case Kind::kInteger: out += std::to_string(value.integer); return true;
    case Kind::kNumber: append_number(out, value.number); return std::isfinite(value.number);
    case Kind::kBytes:
      out.push_back('"');
      append_base64(out, value.text);
      out.push_back('"');
      return true;
    case Kind::kArray: {
      out.push_back('[');
      for (const OtlpValue& child : value.children) {
        if (&child != value.children.data()) out.push_back(',');
        if (!append_json(out, child)) return false;
      }
      out.push_back(']');
      return true;
    }
    case Kind::kMap: {
      std::map<std::string_view, const OtlpValue*> sorted;
      for (const OtlpValue& child : value.children) sorted[child.name] = &child;
      out.push_back('{');
      bool first = true;
      for (const auto& [name, child] : sorted) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_json_text(out, name);
        out.push_back(':');
        if (!append_json(out, *child)) return false;
      }
      out.push_back('}');
      return true;
    }
  }
  return false;
}

}  // namespace

void append_otlp_text(std::string& out, const OtlpValue& value) {
  switch (value.kind) {
    case Kind::kEmpty: return;
    case Kind::kText: out.append(value.text); return;
    case Kind::kBytes: append_base64(out, value.text); return;
    case Kind::kNumber: append_number(out, value.number); return;
    case Kind::kBool:
    case Kind::kInteger: append_json(out, value); return;
    case Kind::kArray:
    case Kind::kMap: {
      size_t before = out.size();
      if (!append_json(out, value)) out.resize(before);
      return;
    }
  }
}

}  // namespace pipeline
