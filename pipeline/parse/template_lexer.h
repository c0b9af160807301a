// TemplateLexer: the tokens of a Go template text, one at a time. For template_parser.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pipeline {

struct TemplateToken {
  enum class Kind : uint8_t {
    kError,  // text: what is wrong
    kEnd,
    kText,  // outside of actions
    kOpen,  // {{
    kClose,
    kSpace,
    kBool,
    kCharacterLiteral,
    kComplex,
    kNumber,
    kText1,  // "..."
    kText2,  // `...`
    kIdentifier,
    kField,     // .x
    kVariable,  // $x
    kDot,
    kPipe,
    kAssign,
    kDeclare,
    kOpenParen,
    kCloseParen,
    kCharacter,  // anything else that may be printed
    kNil,
    kBlock,  // from here on key words
    kBreak,
    kContinue,
    kDefine,
    kElse,
    kEndWord,
    kIf,
    kRange,
    kTemplate,
    kWith,
  };
  Kind kind = Kind::kEnd;
  size_t position = 0;
  size_t line = 1;
  std::string text{};

  bool is(Kind k) const { return kind == k; }
  // As Go's messages show it: "abc", <if>, EOF.
  std::string shown() const;
};

class TemplateLexer {
 public:
  explicit TemplateLexer(std::string_view text) : text_(text) {}
  // After kError and kEnd the same again.
  TemplateToken next();

 private:
  using Kind = TemplateToken::Kind;

  TemplateToken outside();
  TemplateToken inside();
  TemplateToken token(Kind kind);
  TemplateToken fault(std::string what);
  TemplateToken open();
  TemplateToken close();
  TemplateToken space();
  TemplateToken quoted(char quote, Kind kind, std::string_view fault_text);
  TemplateToken raw_quoted();
  TemplateToken number();
  TemplateToken identifier();
  TemplateToken field_or_variable(Kind kind);
  bool skip_comment(TemplateToken& wrong);
  bool scan_number();
  bool at_terminator() const;
  bool at_close(bool& trims) const;
  bool starts(std::string_view what, size_t ahead = 0) const;
  void ignore();
  uint32_t peek() const;  // kNoCharacter at the end
  void skip_letters();

  std::string_view text_;
  size_t at_ = 0, start_ = 0;
  size_t line_ = 1, start_line_ = 1;
  size_t parens_ = 0;
  bool inside_ = false, done_ = false;
  TemplateToken last_;
};

}  // namespace pipeline
