#include "pipeline/parse/template_lexer.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "pipeline/base/concat.h"
#include "pipeline/model/quoted_text.h"
#include "pipeline/parse/go_format.h"

namespace pipeline {

namespace {

using Kind = TemplateToken::Kind;

constexpr uint32_t kNoCharacter = 0xffffffff;
constexpr size_t kTrimBytes = 2;  // the minus and its blank

bool is_space(uint32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Letters and digits of Unicode, roughly: beyond ASCII everything but the well-known blocks of signs.
bool is_letter(uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
  if (c < 0xc0) return c == 0xaa || c == 0xb5 || c == 0xba;
  if (c == 0xd7 || c == 0xf7 || c == 0xfffd || c == kNoCharacter) return false;
  return !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x20a0 && c <= 0x20cf) && !(c >= 0x2190 && c <= 0x2bff) &&
         !(c >= 0x3000 && c <= 0x3004) && !(c >= 0xe000 && c <= 0xf8ff) && !(c >= 0x1f000 && c <= 0x1faff);
}

// U+0023 '#'
std::string character_name(uint32_t c) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, "U+%04X", c);
  std::string out = buffer;
  if (c >= 0x20 && c != 0x7f && c <= 0x10ffff) {
    out += " '";
    append_utf8(out, c);
    out += "'";
  }
  return out;
}

constexpr std::pair<std::string_view, Kind> kWords[] = {{"block", Kind::kBlock},
                                                        {"break", Kind::kBreak},
                                                        {"continue", Kind::kContinue},
                                                        {"define", Kind::kDefine},
                                                        {"else", Kind::kElse},
                                                        {"end", Kind::kEndWord},
                                                        {"if", Kind::kIf},
                                                        {"nil", Kind::kNil},
                                                        {"range", Kind::kRange},
                                                        {"template", Kind::kTemplate},
                                                        {"with", Kind::kWith},
                                                        {"true", Kind::kBool},
                                                        {"false", Kind::kBool}};

}  // namespace

std::string TemplateToken::shown() const {
  if (kind == Kind::kEnd) return "EOF";
  if (kind == Kind::kError) return text;
  if (kind >= Kind::kNil) return concat("<", text, ">");
  std::string out;
  size_t at = 0;
  for (int i = 0; i < 10 && at < text.size(); ++i) take_utf8(text, at);
  append_go_quoted(out, std::string_view(text).substr(0, at));
  if (text.size() > 10) out += "...";
  return out;
}

TemplateToken TemplateLexer::next() {
  if (done_) return last_;
  last_ = inside_ ? inside() : outside();
  done_ = last_.is(Kind::kError) || last_.is(Kind::kEnd);
  return last_;
}

bool TemplateLexer::starts(std::string_view what, size_t ahead) const {
  return at_ + ahead <= text_.size() && text_.substr(at_ + ahead).starts_with(what);
}

void TemplateLexer::ignore() {
  line_ += static_cast<size_t>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(start_),
                                          text_.begin() + static_cast<std::ptrdiff_t>(at_), '\n'));
  start_ = at_;
  start_line_ = line_;
}

TemplateToken TemplateLexer::token(Kind kind) {
  TemplateToken out{kind, start_, start_line_, std::string(text_.substr(start_, at_ - start_))};
  ignore();
  return out;
}

TemplateToken TemplateLexer::fault(std::string what) { return {Kind::kError, start_, start_line_, std::move(what)}; }

uint32_t TemplateLexer::peek() const {
  size_t at = at_;
  return at < text_.size() ? take_utf8(text_, at) : kNoCharacter;
}

void TemplateLexer::skip_letters() {
  while (at_ < text_.size() && is_letter(peek())) take_utf8(text_, at_);
}

bool TemplateLexer::at_close(bool& trims) const {
  trims = at_ + 1 < text_.size() && is_space(static_cast<unsigned char>(text_[at_])) && text_[at_ + 1] == '-' &&
          starts("}}", kTrimBytes);
  return trims || starts("}}");
}

TemplateToken TemplateLexer::outside() {
  TemplateToken wrong;
  while (true) {
    size_t open_at = text_.find("{{", at_);
    if (open_at == std::string_view::npos) {
      at_ = text_.size();
      return token(at_ > start_ ? Kind::kText : Kind::kEnd);
    }
    size_t inner = open_at + 2;
    bool trims =
        inner + 1 < text_.size() && text_[inner] == '-' && is_space(static_cast<unsigned char>(text_[inner + 1]));
    size_t text_end = open_at;
    while (trims && text_end > start_ && is_space(static_cast<unsigned char>(text_[text_end - 1]))) --text_end;
    if (text_end > start_) {
      at_ = text_end;
      TemplateToken out = token(Kind::kText);
      at_ = open_at;
      ignore();
      return out;
    }
    at_ = open_at;
    ignore();
    if (!starts("/*", trims ? 2 + kTrimBytes : 2)) return open();
    if (!skip_comment(wrong)) return wrong;
  }
}

bool TemplateLexer::skip_comment(TemplateToken& wrong) {
  size_t end = text_.find("*/", at_ + 2);
  if (end == std::string_view::npos) return wrong = fault("unclosed comment"), false;
  at_ = end + 2;
  bool trims = false;
  if (!at_close(trims)) return wrong = fault("comment ends before closing delimiter"), false;
  at_ += trims ? 2 + kTrimBytes : 2;
  while (trims && at_ < text_.size() && is_space(static_cast<unsigned char>(text_[at_]))) ++at_;
  ignore();
  return true;
}

TemplateToken TemplateLexer::open() {
  at_ += 2;
  TemplateToken out = token(Kind::kOpen);
  if (starts("-") && at_ + 1 < text_.size() && is_space(static_cast<unsigned char>(text_[at_ + 1]))) at_ += kTrimBytes;
  ignore();
  inside_ = true;
  parens_ = 0;
  return out;
}

TemplateToken TemplateLexer::close() {
  bool trims = false;
  at_close(trims);
  if (trims) {
    at_ += kTrimBytes;
    ignore();
  }
  at_ += 2;
  TemplateToken out = token(Kind::kClose);
  while (trims && at_ < text_.size() && is_space(static_cast<unsigned char>(text_[at_]))) ++at_;
  ignore();
  inside_ = false;
  return out;
}

TemplateToken TemplateLexer::inside() {
  bool trims = false;
  if (at_close(trims)) {
    if (parens_ > 0) return fault("unclosed left paren");
    return close();
  }
  if (at_ >= text_.size()) return fault("unclosed action");
  uint32_t c = peek();
  if (is_space(c)) return space();
  if (c == '.') {
    if (at_ + 1 < text_.size() && (text_[at_ + 1] < '0' || text_[at_ + 1] > '9'))
      return field_or_variable(Kind::kField);
    return number();
  }
  if (c == '+' || c == '-' || (c >= '0' && c <= '9')) return number();
  if (is_letter(c)) return identifier();
  take_utf8(text_, at_);
  switch (c) {
    case '=': return token(Kind::kAssign);
    case ':':
      if (!starts("=")) return fault("expected :=");
      ++at_;
      return token(Kind::kDeclare);
    case '|': return token(Kind::kPipe);
    case '"': return quoted('"', Kind::kText1, "unterminated quoted string");
    case '\'': return quoted('\'', Kind::kCharacterLiteral, "unterminated character constant");
    case '`': return raw_quoted();
    case '$': --at_; return field_or_variable(Kind::kVariable);
    case '(': ++parens_; return token(Kind::kOpenParen);
    case ')':
      if (parens_ == 0) return fault("unexpected right paren");
      --parens_;
      return token(Kind::kCloseParen);
    default:
      if (c > 0x20 && c < 0x7f) return token(Kind::kCharacter);
      return fault(concat("unrecognized character in action: ", character_name(c)));
  }
}

TemplateToken TemplateLexer::space() {
  size_t blanks = 0;
  while (at_ < text_.size() && is_space(static_cast<unsigned char>(text_[at_]))) ++at_, ++blanks;
  bool trims = false;
  --at_;  // the last blank may belong to a closing " -}}"
  if (!at_close(trims) || !trims) {
    ++at_;
  } else if (blanks == 1) {
    return close();
  }
  return token(Kind::kSpace);
}

TemplateToken TemplateLexer::quoted(char quote, Kind kind, std::string_view fault_text) {
  while (at_ < text_.size() && text_[at_] != '\n') {
    char c = text_[at_++];
    if (c == quote) return token(kind);
    if (c == '\\') {
      if (at_ >= text_.size() || text_[at_] == '\n') break;
      ++at_;
    }
  }
  return fault(std::string(fault_text));
}

TemplateToken TemplateLexer::raw_quoted() {
  size_t end = text_.find('`', at_);
  if (end == std::string_view::npos) return fault("unterminated raw quoted string");
  at_ = end + 1;
  return token(Kind::kText2);
}

bool TemplateLexer::at_terminator() const {
  if (at_ >= text_.size()) return true;
  char c = text_[at_];
  if (is_space(static_cast<unsigned char>(c))) return true;
  return std::string_view(".,|:()").find(c) != std::string_view::npos || starts("}}");
}

TemplateToken TemplateLexer::identifier() {
  skip_letters();
  if (!at_terminator()) return fault(concat("bad character ", character_name(peek())));
  std::string_view word = text_.substr(start_, at_ - start_);
  for (const auto& [name, kind] : kWords) {
    if (name == word) return token(kind);
  }
  return token(Kind::kIdentifier);
}

TemplateToken TemplateLexer::field_or_variable(Kind kind) {
  ++at_;
  if (at_terminator()) return token(kind == Kind::kVariable ? Kind::kVariable : Kind::kDot);
  skip_letters();
  if (!at_terminator()) return fault(concat("bad character ", character_name(peek())));
  return token(kind);
}

TemplateToken TemplateLexer::number() {
  auto wrong = [&] {
    std::string out = "bad number syntax: ";
    append_go_quoted(out, text_.substr(start_, at_ - start_));
    return fault(std::move(out));
  };
  if (!scan_number()) return wrong();
  if (starts("+") || starts("-")) {  // 1+2i
    if (!scan_number() || text_[at_ - 1] != 'i') return wrong();
    return token(Kind::kComplex);
  }
  return token(Kind::kNumber);
}

bool TemplateLexer::scan_number() {
  auto accept = [&](std::string_view set) {
    bool is = at_ < text_.size() && set.find(text_[at_]) != std::string_view::npos;
    at_ += is ? 1 : 0;
    return is;
  };
  auto accept_all = [&](std::string_view set) {
    while (accept(set)) continue;
  };
  constexpr std::string_view kDecimal = "0123456789_";
  accept("+-");
  std::string_view digits = kDecimal;
  if (accept("0")) {
    if (accept("xX")) {
      digits = "0123456789abcdefABCDEF_";
    } else if (accept("oO")) {
      digits = "01234567_";
    } else if (accept("bB")) {
      digits = "01_";
    }
  }
  accept_all(digits);
  if (accept(".")) accept_all(digits);
  if (digits == kDecimal && accept("eE")) accept("+-"), accept_all(kDecimal);
  if (digits.size() > 20 && accept("pP")) accept("+-"), accept_all(kDecimal);
  accept("i");
  if (!is_letter(peek())) return true;
  take_utf8(text_, at_);
  return false;
}

}  // namespace pipeline
