#include "pipeline/parse/jmespath_lexer.h"

#include <utility>

#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"
#include "pipeline/parse/json.h"

namespace pipeline {

namespace {

using Kind = JmesToken::Kind;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_identifier(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

constexpr std::pair<std::string_view, Kind> kSigns[] = {  // longer ones first
    {"[?", Kind::kFilter},       {"[]", Kind::kFlatten},
    {"||", Kind::kOr},           {"&&", Kind::kAnd},
    {"<=", Kind::kLessEqual},    {">=", Kind::kGreaterEqual},
    {"==", Kind::kEqual},        {"!=", Kind::kUnequal},
    {"//", Kind::kDivideWhole},  {"\xc3\x97", Kind::kMultiply},
    {"\xc3\xb7", Kind::kDivide}, {"\xe2\x88\x92", Kind::kMinus},
    {"*", Kind::kStar},          {".", Kind::kDot},
    {"(", Kind::kOpenParen},     {")", Kind::kCloseParen},
    {"[", Kind::kOpenBracket},   {"]", Kind::kCloseBracket},
    {"{", Kind::kOpenBrace},     {"}", Kind::kCloseBrace},
    {"|", Kind::kPipe},          {",", Kind::kComma},
    {":", Kind::kColon},         {"+", Kind::kPlus},
    {"-", Kind::kMinus},         {"/", Kind::kDivide},
    {"%", Kind::kModulo},        {"<", Kind::kLess},
    {">", Kind::kGreater},       {"@", Kind::kCurrent},
    {"&", Kind::kExpression},    {"!", Kind::kNot},
    {"=", Kind::kAssign}};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<JmesToken>> run() {
    while (at_ < text_.size()) {
      if (std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos) {
        ++at_;
        continue;
      }
      TRY(one());
    }
    tokens_.push_back({Kind::kEnd});
    return std::move(tokens_);
  }

 private:
  tl::unexpected<Error> fault(std::string_view what) const {
    return fail(Errc::kInvalid, concat("SyntaxError: ", what));
  }

  std::string_view identifier(size_t begin) {
    size_t end = begin;
    while (end < text_.size() && (begins_identifier(text_[end]) || is_digit(text_[end]))) ++end;
    return text_.substr(begin, end - begin);
  }

  Result<void> one() {
    char c = text_[at_];
    if (begins_identifier(c)) {
      std::string_view name = identifier(at_);
      at_ += name.size();
      tokens_.push_back({Kind::kIdentifier, std::string(name)});
      return {};
    }
    if (is_digit(c) || (c == '-' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
      size_t end = at_ + 1;
      while (end < text_.size() && is_digit(text_[end])) ++end;
      tokens_.push_back({Kind::kNumber, std::string(text_.substr(at_, end - at_))});
      at_ = end;
      return {};
    }
    if (c == '$') {
      bool named = at_ + 1 < text_.size() && begins_identifier(text_[at_ + 1]);
      std::string_view name = named ? identifier(at_ + 1) : std::string_view();
      tokens_.push_back({named ? Kind::kVariable : Kind::kRoot, std::string(name)});
      at_ += 1 + name.size();
      return {};
    }
    if (c == '"' || c == '\'' || c == '`') return quoted(c);
    for (const auto& [sign, kind] : kSigns) {
      if (!text_.substr(at_).starts_with(sign)) continue;
      tokens_.push_back({kind});
      at_ += sign.size();
      return {};
    }
    size_t end = at_;
    take_utf8(text_, end);
    std::string shown;
    append_go_quoted(shown, text_.substr(at_, end - at_), true);
    return fault(concat("Unknown char: '", std::string_view(shown).substr(1, shown.size() - 2), "'"));
  }

  Result<void> quoted(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    if (end >= text_.size()) return fault(concat("Unclosed delimiter: ", text_.substr(at_, 1)));
    std::string_view inner = text_.substr(at_ + 1, end - at_ - 1);
    JmesToken token{quote == '"' ? Kind::kQuoted : quote == '`' ? Kind::kJson : Kind::kText};
    if (quote == '"') {
      auto json = check_json(text_.substr(at_, end + 1 - at_));
      Arena arena;
      auto name = json ? json_text(*json, arena) : std::nullopt;
      if (!name) return fault("invalid quoted identifier");
      token.text = *name;
    } else {
      for (size_t i = 0; i < inner.size(); ++i) {  // only the quote itself is escaped, and in texts the backslash too
        bool escapes = inner[i] == '\\' && i + 1 < inner.size() &&
                       (inner[i + 1] == quote || (quote == '\'' && inner[i + 1] == '\\'));
        token.text.push_back(inner[escapes ? ++i : i]);
      }
    }
    tokens_.push_back(std::move(token));
    at_ = end + 1;
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<JmesToken> tokens_;
};

}  // namespace

std::string_view JmesToken::name_of(Kind kind) {
  constexpr std::string_view kNames[] = {"TOKStar",
                                         "TOKDot",
                                         "TOKFilter",
                                         "TOKFlatten",
                                         "TOKLparen",
                                         "TOKRparen",
                                         "TOKLbracket",
                                         "TOKRbracket",
                                         "TOKLbrace",
                                         "TOKRbrace",
                                         "TOKOr",
                                         "TOKPipe",
                                         "TOKNumber",
                                         "TOKUnquotedIdentifier",
                                         "TOKQuotedIdentifier",
                                         "TOKComma",
                                         "TOKColon",
                                         "TOKPlus",
                                         "TOKMinus",
                                         "TOKMultiply",
                                         "TOKDivide",
                                         "TOKModulo",
                                         "TOKDiv",
                                         "TOKLT",
                                         "TOKLTE",
                                         "TOKGT",
                                         "TOKGTE",
                                         "TOKEQ",
                                         "TOKNE",
                                         "TOKJSONLiteral",
                                         "TOKStringLiteral",
                                         "TOKCurrent",
                                         "TOKRoot",
                                         "TOKExpref",
                                         "TOKAnd",
                                         "TOKNot",
                                         "TOKVarref",
                                         "TOKAssign",
                                         "TOKEOF"};
  return kNames[static_cast<size_t>(kind)];
}

Result<std::vector<JmesToken>> jmespath_tokens(std::string_view expression) { return Lexer(expression).run(); }

}  // namespace pipeline
