// The part of json.h that LogQL's `json` parser rests on: flat fields with sanitised names.
#include <algorithm>
#include <cstring>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/json_scan.h"

namespace pipeline {

using namespace json_scan;

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

}  // namespace pipeline
