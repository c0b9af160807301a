// Number and text literals of Go templates. For template_parser.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/parse/template_value.h"

namespace pipeline {

// A number literal is whatever it can be: 1.0 is an integer for a function that takes one.
struct TemplateNumber {
  TemplateValue value;  // where no type is asked for
  std::optional<int64_t> integer;
  std::optional<double> number;
};

// kInvalid: `illegal number syntax: "0x"`.
Result<TemplateNumber> template_number(std::string_view text, bool is_character);

// A Go text literal in "..." or `...`; nothing: malformed.
std::optional<std::string> unquote_template_text(std::string_view literal);

}  // namespace pipeline
