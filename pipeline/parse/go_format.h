// Go's fmt for template values: %v, Print and Printf, as Go 1.26 writes them, with its texts for verbs that do not fit.
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/parse/template_value.h"

namespace pipeline {

inline constexpr int kMaxFormatWidth = 1'000'000;  // as in Go: more is %!(BADWIDTH)

// %v. A value that is not there: <nil>.
void append_go_value(std::string& out, const TemplateValue& value);
// fmt.Sprint: a blank between operands of which neither is a text. fmt.Sprintln: always, and a newline.
void append_go_print(std::string& out, std::span<const TemplateValue> values);
void append_go_println(std::string& out, std::span<const TemplateValue> values);
// fmt.Sprintf. kOverLimit: more than `limit_bytes` would be written.
Result<void> append_go_printf(std::string& out, std::string_view format, std::span<const TemplateValue> values,
                              size_t limit_bytes);

// strconv.FormatFloat(number, form, precision, 64); precision -1: the shortest digits that read back. `form` is one of
// e E f F g G x X.
void append_go_float(std::string& out, double number, char form, int precision);
// encoding/json's number.
void append_json_number(std::string& out, double number);
// strconv.Quote; `ascii`: as QuoteToASCII.
void append_go_quoted(std::string& out, std::string_view text, bool ascii = false);
// A number outside these is no number to strconv.ParseInt(text, base, 64); base 0 takes 0x, 0b, 0o, 0 and _.
std::optional<int64_t> parse_go_integer(std::string_view text, int base);

}  // namespace pipeline
