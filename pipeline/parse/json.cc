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

// ------------------------------------------------------------------------------------------------ LogQL's flat fields

namespace {

constexpr std::string_view kBadObject = "Value looks like object, but can't find closing '}' symbol";
constexpr std::string_view kBadArray = "Value is array, but can't find closing ']' symbol";
constexpr std::string_view kBadString = "Value is string, but can't find closing '\"' symbol";
constexpr std::string_view kBadJson = "Malformed JSON error";
constexpr std::string_view kBadType = "Unknown value type";
constexpr std::string_view kBadEscape = "Encountered an invalid escape sequence in a string";

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_clean(std::string_view name) { return std::all_of(name.begin(), name.end(), is_name_byte); }

// As Go's strings.TrimSpace, for the ASCII spaces.
std::string_view trim(std::string_view text) {
  auto is_blank = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// `prefix`, a _ between, and `name` with every character outside [A-Za-z0-9_] as one _. All in the arena.
std::string_view build_name(std::string_view prefix, std::string_view name, bool underscore, Arena& arena) {
  char* begin = arena.allocate(prefix.size() + 1 + name.size());
  char* to = begin;
  if (!prefix.empty()) std::memcpy(to, prefix.data(), prefix.size());
  to += prefix.size();
  if (underscore) *to++ = '_';
  for (size_t at = 0; at < name.size();) {
    if (is_name_byte(name[at])) {
      *to++ = name[at++];
    } else {
      take_utf8(name, at);
      *to++ = '_';
    }
  }
  return {begin, static_cast<size_t>(to - begin)};
}

class Flattener {
 public:
  Flattener(std::string_view line, std::vector<JsonField>& fields, Arena& arena, JsonFieldChoice* choice)
      : at_(line.data()), end_(line.data() + line.size()), fields_(fields), arena_(arena), choice_(choice) {}

  std::optional<std::string_view> run() {
    at_ = skip_space(at_, end_);
    if (at_ == end_ || *at_ != '{') return kBadObject;
    return object({}, 0);
  }

 private:
  using Fault = std::optional<std::string_view>;

  // *at_ is the opening brace; afterwards at_ is behind the closing one.
  Fault object(std::string_view prefix, int depth) {
    at_ = skip_space(at_ + 1, end_);
    if (at_ == end_) return kBadJson;
    for (;;) {
      if (at_ == end_) return kBadArray;  // Loki's words for an object cut behind a value
      if (*at_ == '}') return ++at_, std::nullopt;
      if (*at_ != '"') return kBadObject;
      JsonValue key{.kind = JsonKind::kString};
      bool control = false;
      const char* key_end = string_end(at_ + 1, end_, key.escaped, control);
      if (key_end == nullptr) return kBadJson;
      key.raw = {at_ + 1, static_cast<size_t>(key_end - at_ - 1)};
      std::string_view name = key.raw;
      if (key.escaped) {
        auto decoded = json_text(key, arena_);
        if (!decoded) return kBadEscape;
        name = *decoded;
      }
      at_ = skip_space(key_end + 1, end_);
      if (at_ == end_ || *at_ != ':') return kBadJson;
      at_ = skip_space(at_ + 1, end_);
      if (at_ == end_) return kBadJson;
      if (Fault fault = value(prefix, name, depth)) return fault;
      if (stopped_) return std::nullopt;
      at_ = skip_space(at_, end_);
      if (at_ == end_) return kBadArray;
      if (*at_ == ',') {
        at_ = skip_space(at_ + 1, end_);
      } else if (*at_ != '}') {
        return kBadObject;
      }
    }
  }

  Fault value(std::string_view prefix, std::string_view key, int depth) {
    const char* begin = at_;
    switch (*at_) {
      case '{': return nested(prefix, key, depth);
      case '[': at_ = block_end(at_, end_); return at_ == nullptr ? Fault(kBadArray) : std::nullopt;
      case '"': {
        JsonValue text{.kind = JsonKind::kString};
        bool control = false;
        const char* close = string_end(at_ + 1, end_, text.escaped, control);
        if (close == nullptr) return kBadString;
        text.raw = {begin + 1, static_cast<size_t>(close - begin - 1)};
        at_ = close + 1;
        add(prefix, key, text);
        return std::nullopt;
      }
      default: break;
    }
    at_ = token_end(at_, end_);
    JsonValue token{.raw = {begin, static_cast<size_t>(at_ - begin)}};
    if (token.raw == "null") return std::nullopt;
    if (*begin == '-' || (*begin >= '0' && *begin <= '9')) {
      token.kind = JsonKind::kNumber;
    } else if (token.raw == "true") {
      token.kind = JsonKind::kTrue;
    } else if (token.raw == "false") {
      token.kind = JsonKind::kFalse;
    } else {
      return kBadType;
    }
    add(prefix, key, token);
    return std::nullopt;
  }

  Fault nested(std::string_view prefix, std::string_view key, int depth) {
    const char* begin = at_;
    size_t before = fields_.size();
    std::string_view name = join(prefix, key);
    if (choice_ && !choice_->wants_inside(name)) {
      at_ = block_end(at_, end_);
      return at_ == nullptr ? Fault(kBadObject) : std::nullopt;
    }
    Fault fault = depth < kMaxJsonDepth ? object(name, depth + 1) : Fault(kBadObject);
    // An object without its end gives nothing at all.
    if ((fault || stopped_) && block_end(begin, end_) == nullptr) fields_.resize(before), fault = kBadObject;
    return fault;
  }

  std::string_view join(std::string_view prefix, std::string_view key) {
    key = trim(key);
    if (key.empty()) return prefix;
    if (!prefix.empty()) return build_name(prefix, key, true, arena_);
    bool digit = key[0] >= '0' && key[0] <= '9';
    if (!digit && is_clean(key)) return key;
    return build_name({}, key, digit, arena_);
  }

  void add(std::string_view prefix, std::string_view key, const JsonValue& value) {
    std::string_view name = join(prefix, key);
    if (name.empty()) return;
    if (choice_) {
      const auto answer = choice_->choose(name);
      if (answer == JsonFieldChoice::Answer::kSkip) return;
      stopped_ = answer == JsonFieldChoice::Answer::kTakeAndStop;
    }
    fields_.push_back({name, value});
  }

  const char* at_;
  const char* end_;
  std::vector<JsonField>& fields_;
  Arena& arena_;
  JsonFieldChoice* choice_;
  bool stopped_ = false;
};

}  // namespace

std::optional<std::string_view> flatten_json(std::string_view line, std::vector<JsonField>& fields, Arena& arena,
                                             JsonFieldChoice* choice) {
  return Flattener(line, fields, arena, choice).run();
}

std::string_view sanitise_label_name(std::string_view name, Arena& arena) {
  name = trim(name);
  if (name.empty()) return {};
  bool digit = name[0] >= '0' && name[0] <= '9';
  if (!digit && is_clean(name)) return name;
  return build_name({}, name, digit, arena);
}

std::string_view logql_text(const JsonValue& value, Arena& arena) {
  return without_bad_characters(json_text(value, arena, LoneSurrogate::kRefuse).value_or(""), arena);
}

std::string_view without_bad_characters(std::string_view text, Arena& arena) {
  unsigned char seen = 0;
  for (char c : text) seen |= static_cast<unsigned char>(c);
  if (seen < 0x80 || (is_valid_utf8(text) && text.find("\xef\xbf\xbd") == std::string_view::npos)) return text;
  char* begin = arena.allocate(text.size());
  char* to = begin;
  for (size_t at = 0; at < text.size();) {
    size_t from = at;
    if (take_utf8(text, at) == 0xfffd) {
      *to++ = ' ';
    } else {
      while (from < at) *to++ = text[from++];
    }
  }
  return {begin, static_cast<size_t>(to - begin)};
}

// ------------------------------------------------------------------------------------------------ whole documents

namespace {

class Checker {
 public:
  Checker(std::string_view text, std::vector<JsonMember>* members)
      : at_(text.data()), end_(text.data() + text.size()), top_(members) {}

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

  bool number() {
    if (*at_ == '-') ++at_;
    const char* begin = at_;
    if (!digits() || (*begin == '0' && at_ - begin > 1)) return false;
    if (at_ < end_ && *at_ == '.' && (++at_, !digits())) return false;
    if (at_ < end_ && (*at_ | 0x20) == 'e') {
      ++at_;
      if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      return digits();
    }
    return true;
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
      JsonMember member;
      if (at_ == end_ || *at_ != '"' || !string(member.name)) return false;
      at_ = skip_space(at_, end_);
      if (at_ == end_ || *at_ != ':') return false;
      at_ = skip_space(at_ + 1, end_);
      if (!check(member.value, depth + 1)) return false;
      if (depth == 0 && top_ != nullptr) top_->push_back(member);
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
  std::vector<JsonMember>* top_;
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
  return Checker(text, members).run();
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
  if (e == std::string_view::npos) return void(out.append(text));  // inf, nan
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

namespace {

void append_escaped(std::string& out, std::string_view text) {
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
void append_number(std::string& out, double number) {
  double size = std::fabs(number);
  if (size == 0 || (size >= 1e-6 && size < 1e21)) return append_plain_number(out, number);
  char buffer[40];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific);
  out.append(buffer, static_cast<size_t>(end - buffer));
}

}  // namespace

void append_compact_json(std::string& out, const JsonValue& value) {
  Arena arena;
  switch (value.kind) {
    case JsonKind::kNumber: return append_number(out, json_number(value.raw));
    case JsonKind::kString: return append_escaped(out, json_text(value, arena).value_or(""));
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
        append_escaped(out, name);
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
