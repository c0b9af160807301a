#include "pipeline/parse/jmespath.h"

#include <charconv>

namespace pipeline {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_identifier(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class JmesParser {
 public:
  explicit JmesParser(std::string_view text) : text_(text) {}

  Result<std::vector<JmesPath::Step>> run() {
    skip_space();
    for (bool first = true; at_ < text_.size(); first = false, skip_space()) {
      char c = text_[at_];
      if (c == '[') {
        TRY(bracket());
      } else if (first) {
        TRY(identifier());
      } else if (c == '.') {
        ++at_;
        skip_space();
        TRY(identifier());
      } else {
        return unknown();
      }
    }
    if (steps_.empty()) return fault("incomplete expression");
    return std::move(steps_);
  }

 private:
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || (text_[at_] >= '\t' && text_[at_] <= '\r'))) ++at_;
  }
  tl::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::kInvalid, concat("could not compile JMES expression: ", text_, ": ", what));
  }
  tl::unexpected<Error> later(std::string_view form) const {
    return fail(Errc::kInvalid, concat("not supported yet: ", form, " in the JMESPath expression ", text_));
  }
  // What stands at at_ is no identifier, dot or index: a form that comes later, or no JMESPath at all.
  tl::unexpected<Error> unknown() const {
    if (at_ >= text_.size()) return fault("incomplete expression");
    switch (text_[at_]) {
      case '*': return later("a wildcard");
      case '|': return later("a pipe or an or-expression");
      case '(': return later("a function call");
      case '{': return later("a multi-select hash");
      case '`': return later("a JSON literal");
      case '\'': return later("a raw string");
      case '@': return later("the current node @");
      case '&': return later("an expression reference");
      case '=':
      case '!':
      case '<':
      case '>': return later("a comparison");
      default: break;
    }
    return fault(concat("unexpected character '", text_.substr(at_, 1), "' at position ", at_));
  }

  Result<void> identifier() {
    if (at_ < text_.size() && text_[at_] == '"') {
      size_t end = at_ + 1;
      while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
      if (end >= text_.size()) return fault("unclosed quoted identifier");
      auto checked = check_json(text_.substr(at_, end + 1 - at_));
      Arena arena;
      auto name = checked ? json_text(*checked, arena) : std::nullopt;
      if (!name) return fault("invalid quoted identifier");
      steps_.emplace_back(std::string(*name));
      at_ = end + 1;
      return {};
    }
    if (at_ < text_.size() && text_[at_] == '[') return later("a multi-select list");
    if (at_ >= text_.size() || !begins_identifier(text_[at_])) return unknown();
    size_t begin = at_;
    while (at_ < text_.size() && (begins_identifier(text_[at_]) || is_digit(text_[at_]))) ++at_;
    steps_.emplace_back(std::string(text_.substr(begin, at_ - begin)));
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(') return unknown();
    return {};
  }

  Result<void> bracket() {
    ++at_;
    skip_space();
    if (at_ >= text_.size()) return fault("incomplete expression");
    char c = text_[at_];
    if (c == '?') return later("a filter");
    if (c == ']') return later("a flatten expression");
    if (c == '*') return later("a wildcard");
    if (c == ':') return later("a slice");
    if (c != '-' && !is_digit(c)) {
      if (begins_identifier(c) || c == '"') return later("a multi-select list");
      return unknown();
    }
    int64_t index = 0;
    const char* begin = text_.data() + at_;
    auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), index);
    if (error != std::errc()) return fault("invalid index");
    at_ += static_cast<size_t>(end - begin);
    skip_space();
    if (at_ < text_.size() && text_[at_] == ':') return later("a slice");
    if (at_ >= text_.size() || text_[at_] != ']') return fault("expected ]");
    ++at_;
    steps_.emplace_back(index);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<JmesPath::Step> steps_;
};

JsonValue take_step(const JsonValue& from, const JmesPath::Step& step) {
  JsonValue found;
  if (const auto* key = std::get_if<std::string>(&step)) {
    if (from.kind != JsonKind::kObject) return found;
    std::vector<JsonMember> members;
    json_members(from, members);
    for (const JsonMember& member : members) {
      if (json_equals(member.name, *key)) found = member.value;
    }
    return found;
  }
  if (from.kind != JsonKind::kArray) return found;
  std::vector<JsonValue> elements;
  json_elements(from, elements);
  int64_t index = std::get<int64_t>(step);
  if (index < 0) index += static_cast<int64_t>(elements.size());
  if (index >= 0 && index < static_cast<int64_t>(elements.size())) found = elements[static_cast<size_t>(index)];
  return found;
}

}  // namespace

Result<JmesPath> JmesPath::compile(std::string_view expression) {
  JmesPath path;
  TRY_LET(path.steps_, JmesParser(expression).run());
  return path;
}

const std::string* JmesPath::top_key() const { return std::get_if<std::string>(&steps_[0]); }

JsonValue JmesPath::search(const JsonValue& document) const { return search_below(take_step(document, steps_[0])); }

JsonValue JmesPath::search_below(JsonValue top) const {
  for (size_t i = 1; i < steps_.size(); ++i) top = take_step(top, steps_[i]);
  return top;
}

}  // namespace pipeline
