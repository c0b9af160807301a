// Go string literals, as label texts, LogQL and match selectors write them.
#pragma once

#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline {

// Reads the literal that starts at text[at] and moves `at` past it. "..." and '...' take the escapes \a \b \f \n \r \t
// \v \\ \' \" \ooo \xHH \uHHHH \UHHHHHHHH; `...` is raw. kInvalid: `literal not terminated`, `invalid char escape`,
// `expecting a quoted text`; `at` then points at the fault.
Result<std::string> take_quoted(std::string_view text, size_t& at);

void append_utf8(std::string& out, uint32_t code_point);

// Reads one UTF-8 character at text[at] and moves `at` past it; an invalid byte gives U+FFFD and moves by one.
uint32_t take_utf8(std::string_view text, size_t& at);

bool is_valid_utf8(std::string_view text);

}  // namespace pipeline
