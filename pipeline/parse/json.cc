#include "pipeline/parse/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json_scan.h"

namespace pipeline {

using namespace json_scan;

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four digits behind \u; nothing where there are not four.
std::optional<uint32_t> hex4(std::string_view text, size_t at) {
  if (text.size() - at < 4) return std::nullopt;
  uint32_t code = 0;
  for (size_t i = at; i < at + 4; ++i) {
    int digit = hex_value(text[i]);
    if (digit < 0) return std::nullopt;
    code = code * 16 + static_cast<uint32_t>(digit);
  }
  return code;
}

char* put_utf8(char* to, uint32_t code) {
  if (code < 0x80) {
    *to++ = static_cast<char>(code);
  } else if (code < 0x800) {
    *to++ = static_cast<char>(0xc0 | code >> 6), *to++ = static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    *to++ = static_cast<char>(0xe0 | code >> 12), *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3f));
    *to++ = static_cast<char>(0x80 | (code & 0x3f));
  } else {
    *to++ = static_cast<char>(0xf0 | code >> 18), *to++ = static_cast<char>(0x80 | (code >> 12 & 0x3f));
    *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3f)), *to++ = static_cast<char>(0x80 | (code & 0x3f));
  }
  return to;
}

constexpr uint32_t kLoneSurrogate = 0xd800;

// \uXXXX at text[at] == 'u', with its partner if it is the first half of a pair; moves `at` behind it.
std::optional<uint32_t> take_unicode_escape(std::string_view text, size_t& at) {
  auto code = hex4(text, at + 1);
  if (!code) return std::nullopt;
  at += 5;
  if (*code < 0xd800 || *code > 0xdfff) return code;
  if (*code < 0xdc00 && text.substr(at).starts_with("\\u")) {
    auto low = hex4(text, at + 2);
    if (low && *low >= 0xdc00 && *low <= 0xdfff) {
      at += 6;
      return 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
    }
  }
  return kLoneSurrogate;
}

char simple_escape(char c) {
  switch (c) {
    case '"': return '"';
    case '\\': return '\\';
    case '/': return '/';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

}  // namespace

std::optional<std::string_view> json_text(const JsonValue& value, Arena& arena, LoneSurrogate lone) {
  if (!value.escaped) return value.raw;
  std::string_view raw = value.raw;
  char* begin = arena.allocate(raw.size());  // decoding never makes it longer
  char* to = begin;
  for (size_t at = 0; at < raw.size();) {
    size_t backslash = std::min(raw.find('\\', at), raw.size());
    std::memcpy(to, raw.data() + at, backslash - at);
    to += backslash - at;
    at = backslash + 1;
    if (at > raw.size()) break;
    if (at == raw.size()) return std::nullopt;
    if (raw[at] == 'u') {
      auto code = take_unicode_escape(raw, at);
      if (!code || (*code == kLoneSurrogate && lone == LoneSurrogate::kRefuse)) return std::nullopt;
      to = put_utf8(to, *code == kLoneSurrogate ? 0xfffd : *code);
    } else {
      *to = simple_escape(raw[at++]);
      if (*to++ == 0) return std::nullopt;
    }
  }
  return std::string_view(begin, static_cast<size_t>(to - begin));
}

bool json_equals(const JsonValue& string, std::string_view text) {
  if (!string.escaped) return string.raw == text;
  Arena arena;
  return json_text(string, arena) == text;
}

namespace {

// What becomes of the members of a top-level object.
class MemberList {
 public:
  explicit MemberList(std::vector<JsonMember>* members) : members_(members) {}
  void take(const JsonValue& name, const JsonValue& value) {
    if (members_ != nullptr) members_->push_back({name, value});
  }

 private:
  std::vector<JsonMember>* members_;
};

class MemberPick {
 public:
  MemberPick(std::span<const std::string> names, std::span<JsonValue> found) : names_(names), found_(found) {}
  void take(const JsonValue& name, const JsonValue& value) {
    for (size_t k = 0; k < names_.size(); ++k) {
      if (name.escaped ? json_equals(name, names_[k]) : is_called(name.raw, names_[k])) found_[k] = value;
    }
  }

 private:
  static bool is_called(std::string_view name, const std::string& wanted) {
    return name.size() == wanted.size() && (name.empty() || (name[0] == wanted[0] && name == wanted));
  }

  std::span<const std::string> names_;
  std::span<JsonValue> found_;
};

template <class Members>
class Checker {
 public:
  Checker(std::string_view text, Members members)
      : at_(text.data()), end_(text.data() + text.size()), members_(members) {}

  std::optional<JsonValue> run() {
    JsonValue value;
    at_ = skip_space(at_, end_);
    if (!check(value, 0)) return std::nullopt;
    at_ = skip_space(at_, end_);
    if (at_ != end_) return std::nullopt;
    return value;
  }

 private:
  bool check(JsonValue& out, int depth) {
    if (at_ == end_ || depth > kMaxJsonDepth) return false;
    const char* begin = at_;
    switch (*at_) {
      case '"': return string(out);
      case '{':
        out.kind = JsonKind::kObject;
        if (!object(depth)) return false;
        break;
      case '[':
        out.kind = JsonKind::kArray;
        if (!array(depth)) return false;
        break;
      case 't': out.kind = JsonKind::kTrue; return word("true", out);
      case 'f': out.kind = JsonKind::kFalse; return word("false", out);
      case 'n': out.kind = JsonKind::kNull; return word("null", out);
      default:
        out.kind = JsonKind::kNumber;
        if (!number()) return false;
    }
    out.raw = {begin, static_cast<size_t>(at_ - begin)};
    return true;
  }

  bool word(std::string_view wanted, JsonValue& out) {
    if (!std::string_view(at_, static_cast<size_t>(end_ - at_)).starts_with(wanted)) return false;
    out.raw = {at_, wanted.size()};
    at_ += wanted.size();
    return true;
  }

  bool string(JsonValue& out) {
    out.kind = JsonKind::kString;
    bool control = false;
    const char* begin = at_ + 1;
    const char* close = string_end(begin, end_, out.escaped, control);
    if (close == nullptr || control) return false;
    out.raw = {begin, static_cast<size_t>(close - begin)};
    at_ = close + 1;
    return !out.escaped || escapes_are_known(out.raw);
  }

  static bool escapes_are_known(std::string_view raw) {
    for (size_t at = raw.find('\\'); at < raw.size(); at = raw.find('\\', at)) {
      if (raw[at + 1] == 'u' ? !hex4(raw, at + 2) : simple_escape(raw[at + 1]) == 0) return false;
      at += 2;
    }
    return true;
  }

  bool digits() {
    const char* begin = at_;
    while (at_ < end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ > begin;
  }

  // A number that no double can hold is refused, as Go does.
  bool number() {
    const char* whole = at_;
    if (*at_ == '-') ++at_;
    const char* begin = at_;
    if (!digits() || (*begin == '0' && at_ - begin > 1)) return false;
    if (at_ < end_ && *at_ == '.' && (++at_, !digits())) return false;
    if (at_ < end_ && (*at_ | 0x20) == 'e') {
      ++at_;
      if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return false;
    } else if (at_ - whole < 300) {
      return true;
    }
    return std::isfinite(json_number({whole, static_cast<size_t>(at_ - whole)}));
  }

  // Behind a value: true at a comma (then at the next token), false at `close` or a fault (then `bad_` is set).
  bool more(char close) {
    at_ = skip_space(at_, end_);
    if (at_ < end_ && *at_ == ',') {
      at_ = skip_space(at_ + 1, end_);
      return true;
    }
    bad_ = at_ == end_ || *at_ != close;
    ++at_;
    return false;
  }

  bool object(int depth) {
    at_ = skip_space(at_ + 1, end_);
    if (at_ < end_ && *at_ == '}') return ++at_, true;
    do {
      JsonValue name, value;
      if (at_ == end_ || *at_ != '"' || !string(name)) return false;
      at_ = skip_space(at_, end_);
      if (at_ == end_ || *at_ != ':') return false;
      at_ = skip_space(at_ + 1, end_);
      if (!check(value, depth + 1)) return false;
      if (depth == 0) members_.take(name, value);
    } while (more('}'));
    return !bad_;
  }

  bool array(int depth) {
    at_ = skip_space(at_ + 1, end_);
    if (at_ < end_ && *at_ == ']') return ++at_, true;
    do {
      JsonValue element;
      if (!check(element, depth + 1)) return false;
    } while (more(']'));
    return !bad_;
  }

  const char* at_;
  const char* end_;
  Members members_;
  bool bad_ = false;
};

// One value of a checked text; moves `at` behind it.
JsonValue take_checked(const char*& at, const char* end) {
  JsonValue value;
  const char* begin = at;
  switch (*at) {
    case '"': {
      bool control = false;
      value.kind = JsonKind::kString;
      const char* close = string_end(at + 1, end, value.escaped, control);
      value.raw = {begin + 1, static_cast<size_t>(close - begin - 1)};
      at = close + 1;
      return value;
    }
    case '{': value.kind = JsonKind::kObject, at = block_end(at, end); break;
    case '[': value.kind = JsonKind::kArray, at = block_end(at, end); break;
    case 't': value.kind = JsonKind::kTrue, at += 4; break;
    case 'f': value.kind = JsonKind::kFalse, at += 5; break;
    case 'n': value.kind = JsonKind::kNull, at += 4; break;
    default: value.kind = JsonKind::kNumber, at = token_end(at, end); break;
  }
  value.raw = {begin, static_cast<size_t>(at - begin)};
  return value;
}

}  // namespace

std::optional<JsonValue> check_json(std::string_view text, std::vector<JsonMember>* members) {
  return Checker(text, MemberList(members)).run();
}

std::optional<JsonValue> pick_json(std::string_view text, std::span<const std::string> names,
                                   std::span<JsonValue> found) {
  std::fill(found.begin(), found.end(), JsonValue());
  return Checker(text, MemberPick(names, found)).run();
}

void json_members(const JsonValue& value, std::vector<JsonMember>& members) {
  const char* end = value.raw.data() + value.raw.size();
  for (const char* at = skip_space(value.raw.data() + 1, end); *at != '}';) {
    JsonMember member{.name = take_checked(at, end), .value = {}};
    at = skip_space(skip_space(at, end) + 1, end);  // the colon
    member.value = take_checked(at, end);
    members.push_back(member);
    at = skip_space(at, end);
    if (*at == ',') at = skip_space(at + 1, end);
  }
}

void json_elements(const JsonValue& value, std::vector<JsonValue>& elements) {
  const char* end = value.raw.data() + value.raw.size();
  for (const char* at = skip_space(value.raw.data() + 1, end); *at != ']';) {
    elements.push_back(take_checked(at, end));
    at = skip_space(at, end);
    if (*at == ',') at = skip_space(at + 1, end);
  }
}

void append_plain_number(std::string& out, double number) {
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(end - buffer));  // -1.2345e+06
  if (text.starts_with('-')) out.push_back('-'), text.remove_prefix(1);
  size_t e = text.find('e');
  if (e == std::string_view::npos) {  // a - is written already
    if (text == "nan") return void(out.append("NaN"));
    return void(out.append(number < 0 ? "Inf" : "+Inf"));
  }
  std::string digits(text.substr(0, 1));
  if (e > 2) digits.append(text.substr(2, e - 2));
  int exponent = 0;
  std::string_view exponent_text = text.substr(e + (text[e + 1] == '+' ? 2 : 1));
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  auto count = static_cast<int>(digits.size());
  if (exponent < 0) {
    out.append("0.").append(static_cast<size_t>(-exponent - 1), '0').append(digits);
  } else if (exponent + 1 >= count) {
    out.append(digits).append(static_cast<size_t>(exponent + 1 - count), '0');
  } else {
    auto whole = static_cast<size_t>(exponent + 1);
    out.append(digits, 0, whole).append(".").append(digits, whole, std::string::npos);
  }
}

double json_number(std::string_view raw) {
  double number = 0;
  auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), number);
  if (error == std::errc::result_out_of_range) {
    bool tiny = raw.find("e-") != std::string_view::npos || raw.find("E-") != std::string_view::npos;
    number = tiny ? 0 : HUGE_VAL;
  }
  return number;
}

void append_compact_text(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  auto escape = [&](uint32_t code) {
    out.append("\\u");
    for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kHex[code >> shift & 0xf]);
  };
  out.push_back('"');
  for (size_t at = 0; at < text.size();) {
    uint32_t code = take_utf8(text, at);
    switch (code) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      case '<':
      case '>':
      case '&':
      case 0x2028:
      case 0x2029: escape(code); break;
      default: code < 0x20 ? escape(code) : append_utf8(out, code);
    }
  }
  out.push_back('"');
}

// As Go's fast JSON writers: shortest digits, an exponent (of two digits at least) outside [1e-6, 1e21).
void append_compact_number(std::string& out, double number) {
  double size = std::fabs(number);
  if (size == 0 || (size >= 1e-6 && size < 1e21)) return append_plain_number(out, number);
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  out.append(buffer, static_cast<size_t>(end - buffer));
}

void append_compact_json(std::string& out, const JsonValue& value) {
  Arena arena;
  switch (value.kind) {
    case JsonKind::kNumber: return append_compact_number(out, json_number(value.raw));
    case JsonKind::kString: return append_compact_text(out, json_text(value, arena).value_or(""));
    case JsonKind::kArray: {
      std::vector<JsonValue> elements;
      json_elements(value, elements);
      out.push_back('[');
      for (size_t i = 0; i < elements.size(); ++i) {
        if (i > 0) out.push_back(',');
        append_compact_json(out, elements[i]);
      }
      return out.push_back(']');
    }
    case JsonKind::kObject: {
      std::vector<JsonMember> members;
      json_members(value, members);
      std::map<std::string_view, const JsonValue*> sorted;
      for (const JsonMember& member : members) {
        sorted.insert_or_assign(json_text(member.name, arena).value_or(""), &member.value);
      }
      out.push_back('{');
      for (bool first = true; const auto& [name, member] : sorted) {
        if (!first) out.push_back(',');
        first = false;
        append_compact_text(out, name);
        out.push_back(':');
        append_compact_json(out, *member);
      }
      return out.push_back('}');
    }
    case JsonKind::kNull: return void(out.append("null"));
    default: out.append(value.raw);
  }
}

}  // namespace pipeline
