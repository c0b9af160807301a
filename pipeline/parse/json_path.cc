#include "pipeline/parse/json_path.h"

#include <charconv>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/json_scan.h"

namespace pipeline {

using namespace json_scan;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_field(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class PathParser {
 public:
  explicit PathParser(std::string_view text) : text_(text) {}

  Result<std::vector<JsonPath::Step>> run() {
    if (text_.empty()) return unexpected_end();
    for (bool first = true; at_ < text_.size(); first = false) {
      char c = text_[at_];
      if (c == '[') {
        TRY(bracket());
      } else if (first && begins_field(c)) {
        field();
      } else if (!first && c == '.') {
        ++at_;
        if (at_ == text_.size()) return syntax("unexpected $end, expecting FIELD");
        if (!begins_field(text_[at_])) return unexpected_char();
        field();
      } else {
        return unexpected_char();
      }
    }
    return std::move(steps_);
  }

 private:
  tl::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::kInvalid, concat("cannot parse expression [", text_, "]: ", what));
  }
  tl::unexpected<Error> syntax(std::string_view what) const { return fault(concat("syntax error: ", what)); }
  tl::unexpected<Error> unexpected_end() const { return syntax("unexpected $end, expecting LSB or FIELD"); }
  tl::unexpected<Error> unexpected_char() const { return fault(concat("unexpected char ", text_.substr(at_, 1))); }

  void field() {
    size_t begin = at_;
    while (at_ < text_.size() && (begins_field(text_[at_]) || is_digit(text_[at_]))) ++at_;
    steps_.emplace_back(std::string(text_.substr(begin, at_ - begin)));
  }

  Result<void> bracket() {
    ++at_;
    if (at_ == text_.size()) return syntax("unexpected $end, expecting STRING or INDEX");
    if (text_[at_] == '"') {
      auto key = take_quoted(text_, at_);
      if (!key) return fault(key.error().message);
      steps_.emplace_back(*std::move(key));
    } else if (is_digit(text_[at_])) {
      size_t index = 0;
      const char* begin = text_.data() + at_;
      auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), index);
      if (error != std::errc()) return fault("index out of range");
      at_ += static_cast<size_t>(end - begin);
      steps_.emplace_back(index);
    } else if (begins_field(text_[at_])) {
      return syntax("unexpected FIELD, expecting STRING or INDEX");
    } else {
      return syntax("unexpected $end, expecting STRING or INDEX");  // an unknown character ends the text for Loki
    }
    if (at_ == text_.size()) return syntax("unexpected $end, expecting RSB");
    if (text_[at_] != ']') return unexpected_char();
    ++at_;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<JsonPath::Step> steps_;
};

// One value wherever it ends; moves behind it. On a fault `at` is null.
struct Taken {
  JsonValue value;
  std::optional<std::string_view> fault;
};

Taken take_value(const char*& at, const char* end) {
  const char* begin = at;
  Taken out;
  if (*at == '"') {
    bool control = false;
    const char* close = string_end(at + 1, end, out.value.escaped, control);
    if (close == nullptr) return at = nullptr, out.fault = "Value is string, but can't find closing '\"' symbol", out;
    out.value.kind = JsonKind::kString;
    out.value.raw = {begin + 1, static_cast<size_t>(close - begin - 1)};
    at = close + 1;
    return out;
  }
  if (*at == '{' || *at == '[') {
    bool object = *at == '{';
    out.value.kind = object ? JsonKind::kObject : JsonKind::kArray;
    at = block_end(at, end);
    if (at == nullptr) {
      out.fault = object ? "Value looks like object, but can't find closing '}' symbol"
                         : "Value is array, but can't find closing ']' symbol";
      return out;
    }
  } else {
    at = token_end(at, end);
  }
  out.value.raw = {begin, static_cast<size_t>(at - begin)};
  if (out.value.kind != JsonKind::kNull) return out;
  if (out.value.raw == "true") {
    out.value.kind = JsonKind::kTrue;
  } else if (out.value.raw == "false") {
    out.value.kind = JsonKind::kFalse;
  } else if (!out.value.raw.empty() && (is_digit(*begin) || *begin == '-')) {
    out.value.kind = JsonKind::kNumber;
  } else if (out.value.raw != "null") {
    out.fault = "Unknown value type";
  }
  return out;
}

// At the value of `key` in the object at `at`, or null.
const char* find_key(const char* at, const char* end, std::string_view key) {
  if (*at != '{') return nullptr;
  at = skip_space(at + 1, end);
  while (at < end && *at == '"') {
    JsonValue name{.kind = JsonKind::kString};
    bool control = false;
    const char* close = string_end(at + 1, end, name.escaped, control);
    if (close == nullptr) return nullptr;
    name.raw = {at + 1, static_cast<size_t>(close - at - 1)};
    at = skip_space(close + 1, end);
    if (at == end || *at != ':') return nullptr;
    at = skip_space(at + 1, end);
    if (at == end) return nullptr;
    if (json_equals(name, key)) return at;
    take_value(at, end);
    if (at == nullptr) return nullptr;
    at = skip_space(at, end);
    if (at < end && *at == ',') at = skip_space(at + 1, end);
  }
  return nullptr;
}

const char* find_index(const char* at, const char* end, size_t index) {
  if (*at != '[') return nullptr;
  at = skip_space(at + 1, end);
  for (size_t i = 0; at < end && *at != ']'; ++i) {
    if (i == index) return at;
    const char* before = at;
    take_value(at, end);
    if (at == nullptr || at == before) return nullptr;
    at = skip_space(at, end);
    if (at < end && *at == ',') at = skip_space(at + 1, end);
  }
  return nullptr;
}

}  // namespace

Result<JsonPath> JsonPath::parse(std::string_view text) {
  JsonPath path;
  TRY_LET(path.steps_, PathParser(text).run());
  return path;
}

JsonPath::Found JsonPath::find(std::string_view line) const {
  const char* end = line.data() + line.size();
  const char* at = skip_space(line.data(), end);
  for (const Step& step : steps_) {
    if (at == end) return {};
    if (const auto* key = std::get_if<std::string>(&step)) {
      at = find_key(at, end, *key);
    } else {
      at = find_index(at, end, std::get<size_t>(step));
    }
    if (at == nullptr) return {};
  }
  if (at == end) return {};
  Taken taken = take_value(at, end);
  if (taken.fault) return {std::nullopt, taken.fault};
  return {taken.value, std::nullopt};
}

std::string_view json_path_text(const JsonValue& value, Arena& arena) {
  if (value.kind == JsonKind::kNull) return {};
  return logql_text(value, arena);
}

}  // namespace pipeline
