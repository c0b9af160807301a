#include "pipeline/model/label_text.h"

#include <algorithm>

#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

constexpr std::string_view kMetricName = "__name__";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_quote(char c) { return c == '"' || c == '\'' || c == '`'; }

class LabelTextParser {
 public:
  explicit LabelTextParser(std::string_view text) : text_(text) {}

  Result<std::vector<Label>> run() {
    skip_blank();
    const std::string_view metric = take_metric_name();
    skip_blank();
    if (take('{')) TRY(take_pairs());
    skip_blank();
    if (at_ < text_.size()) return unexpected_token("");
    if (!metric.empty()) {
      std::erase_if(labels_, [](const Label& label) { return label.first == kMetricName; });
      labels_.emplace_back(kMetricName, metric);
    }
    return std::move(labels_);
  }

 private:
  Result<void> take_pairs() {
    while (true) {
      skip_blank();
      if (take('}')) return {};
      TRY(take_pair());
      skip_blank();
      if (take('}')) return {};
      if (!take(',')) return unexpected_token(R"( in label set, expected "," or "}")");
    }
  }

  Result<void> take_pair() {
    const size_t begin = at_;
    const bool quoted = at_ < text_.size() && is_quote(text_[at_]);
    std::string name;
    if (quoted) {
      TRY_LET(name, take_string());
    } else {
      name = take_identifier();
      if (name.empty()) return unexpected_token(R"( in label set, expected identifier or "}")");
    }
    skip_blank();
    if (at_ >= text_.size() || text_[at_] != '=' || text_.substr(at_).starts_with("=~")) {
      const bool alone = quoted && at_ < text_.size() && (text_[at_] == ',' || text_[at_] == '}');
      if (!alone) return unexpected_token(R"( in label set, expected "=")");
      add(std::string(kMetricName), std::move(name));
      return {};
    }
    ++at_;
    if (!is_label_name(name))
      return fault(begin, concat("label name \"", name, "\" has characters other than letters, digits and _"));
    skip_blank();
    if (at_ >= text_.size() || !is_quote(text_[at_])) return unexpected_token(" in label set, expected string");
    TRY_LET(std::string value, take_string());
    add(std::move(name), std::move(value));
    return {};
  }

  void add(std::string name, std::string value) {
    if (!value.empty()) labels_.emplace_back(std::move(name), std::move(value));
  }

  void skip_blank() {
    while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#')) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        ++at_;
      }
    }
  }

  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  std::string_view take_identifier() {
    const size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || (at_ > begin && is_digit(text_[at_])))) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view take_metric_name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || text_[at_] == ':' || (at_ > begin && is_digit(text_[at_]))))
      ++at_;
    return text_.substr(begin, at_ - begin);
  }

  Result<std::string> take_string() {
    const size_t begin = at_;
    auto text = take_quoted(text_, at_);
    if (text) return text;
    std::string_view why = text.error().message;
    if (why == "literal not terminated")
      why = text_[begin] == '`' ? "unterminated raw string" : "unterminated quoted string";
    return fault(begin, why);
  }

  // Of what is at at_: a character that begins no token, or a token that should not be here; `where` says where.
  tl::unexpected<Error> unexpected_token(std::string_view where) const {
    const bool inside = !where.empty();
    if (at_ >= text_.size())
      return fault(at_, inside ? "unexpected end of input inside braces" : "unexpected end of input");
    const char c = text_[at_];
    const std::string_view rest = text_.substr(at_);
    if (inside && c == '{') return fault(at_, "unexpected left brace '{'");
    if (is_letter(c)) return fault(at_, concat("unexpected identifier ", in_quotes(identifier_at(at_)), where));
    if (is_quote(c)) return fault(at_, concat("unexpected string ", in_quotes(string_at(at_)), where));
    if (!inside && is_digit(c)) return fault(at_, concat("unexpected number ", in_quotes(number_at(at_)), where));
    for (std::string_view sign : {"=~", "!~", "!="})
      if (rest.starts_with(sign)) return fault(at_, concat("unexpected <op:", sign, ">", where));
    if (inside && c == '!' && rest.size() > 1)
      return fault(at_, concat("unexpected character after '!' inside braces: ", character_at(at_ + 1)));
    if (c == '=' || c == ',' || c == '{' || c == '}')
      return fault(at_, concat("unexpected ", in_quotes(rest.substr(0, 1)), where));
    return fault(at_,
                 concat(inside ? "unexpected character inside braces: " : "unexpected character: ", character_at(at_)));
  }

  std::string_view identifier_at(size_t at) const {
    size_t end = at;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    return text_.substr(at, end - at);
  }
  std::string_view number_at(size_t at) const {
    size_t end = at;
    while (end < text_.size() && (is_digit(text_[end]) || text_[end] == '.')) ++end;
    return text_.substr(at, end - at);
  }
  std::string_view string_at(size_t at) const {
    size_t end = at;
    if (!take_quoted(text_, end)) end = text_.size();
    return text_.substr(at, end - at);
  }

  static std::string in_quotes(std::string_view text) {
    constexpr size_t kMostShown = 100;
    std::string out;
    append_quoted(out, text.substr(0, kMostShown));
    return out;
  }

  std::string character_at(size_t at) const {
    size_t end = at;
    take_utf8(text_, end);
    std::string out;
    append_quoted(out, text_.substr(at, end - at));
    out.front() = out.back() = '\'';
    return out;
  }

  tl::unexpected<Error> fault(size_t at, std::string_view why) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t newline = before.rfind('\n');
    const size_t column = newline == before.npos ? at + 1 : at - newline;
    return fail(Errc::kInvalid, concat(line, ":", column, ": parse error: ", why));
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::vector<Label> labels_;
};

}  // namespace

Result<std::vector<Label>> parse_label_text(std::string_view text) { return LabelTextParser(text).run(); }

}  // namespace pipeline
