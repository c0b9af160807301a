#include "pipeline/stage/selector.h"

#include <algorithm>
#include <optional>

#include "pipeline/model/letter_case.h"
#include "pipeline/model/quoted_text.h"

namespace pipeline {

namespace {

struct Token {
  std::string_view text;  // as it stands, or STRING, IDENTIFIER, $end
  std::string value;
  size_t line = 1, column = 1;
};

class SelectorLexer {
 public:
  explicit SelectorLexer(std::string_view text) : text_(text) {}

  Token next() {
    skip_space();
    Token token{.text = {}, .value = {}, .line = line_, .column = column()};
    if (at_ >= text_.size()) return token.text = "$end", token;
    if (text_[at_] == '"') {
      size_t at = at_;
      if (auto value = take_quoted(text_, at)) {
        at_ = at;
        token.value = *std::move(value);
        return token.text = "STRING", token;
      }
    }
    for (std::string_view sign : {"=~", "!=", "!~", "|=", "|~"}) {
      if (text_.substr(at_).starts_with(sign)) return take(token, sign.size());
    }
    if (std::string_view("{}=,|!~()[]").find(text_[at_]) != std::string_view::npos) return take(token, 1);
    const size_t begin = at_;
    take_word();
    token.value = text_.substr(begin, at_ - begin);
    return token.text = "IDENTIFIER", token;
  }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_word(uint32_t code) { return code == '_' || (code != 0xFFFD && is_letter_or_digit(code)); }

  // From 1, in characters.
  size_t column() const {
    const std::string_view before = text_.substr(line_begin_, at_ - line_begin_);
    auto begins = [](char c) { return (c & 0xC0) != 0x80; };
    return static_cast<size_t>(std::count_if(before.begin(), before.end(), begins)) + 1;
  }

  // A name, a number or one character that is neither.
  void take_word() {
    if (is_digit(text_[at_])) {
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
      return;
    }
    const size_t begin = at_;
    for (size_t next = at_; at_ < text_.size() && is_word(take_utf8(text_, next)); at_ = next) {}
    if (at_ == begin) take_utf8(text_, at_);
  }
  Token take(Token& token, size_t length) {
    token.text = text_.substr(at_, length);
    at_ += length;
    return token;
  }
  // Spaces and comments.
  void skip_space() {
    while (at_ < text_.size()) {
      size_t end = at_ + 1;
      if (text_.substr(at_).starts_with("//")) {
        end = text_.find('\n', at_);
      } else if (text_.substr(at_).starts_with("/*")) {
        end = text_.find("*/", at_ + 2);
        if (end != std::string_view::npos) end += 2;
      } else if (static_cast<unsigned char>(text_[at_]) > ' ') {
        return;
      }
      for (end = std::min(end, text_.size()); at_ < end; ++at_) {
        if (text_[at_] == '\n') ++line_, line_begin_ = at_ + 1;
      }
    }
  }

  std::string_view text_;
  size_t at_ = 0, line_ = 1, line_begin_ = 0;
};

class SelectorParser {
 public:
  explicit SelectorParser(std::string_view text) : lexer_(text), token_(lexer_.next()) {}

  Result<std::vector<Matcher>> matchers() {
    std::vector<Matcher> out;
    TRY(expect("{"));
    do {
      TRY_LET(std::string name, take_value("IDENTIFIER"));
      TRY_LET(MatchOp op, match_op());
      TRY_LET(std::string value, take_value("STRING"));
      TRY_LET(Matcher matcher, Matcher::create(std::move(name), op, std::move(value)));
      out.push_back(std::move(matcher));
    } while (accept(","));
    if (!accept("}")) return unexpected("} or ,");
    return out;
  }

  Result<std::vector<LineFilter>> filters() {
    std::vector<LineFilter> out;
    while (token_.text != "$end") {
      auto op = filter_op();
      if (!op) return unexpected("");
      TRY_LET(std::string value, take_value("STRING"));
      TRY_LET(LineFilter filter, LineFilter::create(*op, std::move(value)));
      out.push_back(std::move(filter));
    }
    return out;
  }

 private:
  void advance() { token_ = lexer_.next(); }
  bool accept(std::string_view text) {
    if (token_.text != text) return false;
    advance();
    return true;
  }
  Result<void> expect(std::string_view text) {
    if (!accept(text)) return unexpected(text);
    return {};
  }
  Result<std::string> take_value(std::string_view kind) {
    if (token_.text != kind) return unexpected(kind);
    std::string value = std::move(token_.value);
    advance();
    return value;
  }
  tl::unexpected<Error> unexpected(std::string_view expecting) const {
    return fail(Errc::kInvalid, concat("invalid selector syntax for match stage: parse error at line ", token_.line,
                                       ", col ", token_.column, ": syntax error: unexpected ", token_.text,
                                       expecting.empty() ? "" : ", expecting ", expecting));
  }
  Result<MatchOp> match_op() {
    for (MatchOp op : {MatchOp::kEqual, MatchOp::kNotEqual, MatchOp::kRegex, MatchOp::kNotRegex}) {
      if (accept(match_op_text(op))) return op;
    }
    return unexpected("= or != or =~ or !~");
  }
  std::optional<LineFilterOp> filter_op() {
    using enum LineFilterOp;
    for (LineFilterOp op : {kContains, kNotContains, kMatches, kNotMatches}) {
      if (accept(line_filter_op_text(op))) return op;
    }
    return std::nullopt;
  }

  SelectorLexer lexer_;
  Token token_;
};

}  // namespace

Result<Selector> Selector::parse(std::string_view text) {
  SelectorParser parser(text);
  TRY_LET(auto matchers, parser.matchers());
  TRY_LET(auto filters, parser.filters());
  return Selector(std::move(matchers), LineFilters(std::move(filters)));
}

}  // namespace pipeline
