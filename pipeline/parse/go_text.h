// Go's strings package and the text libraries behind Sprig, as far as template functions need them. Thread: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace pipeline::go_text {

bool is_space(uint32_t code);                                                 // unicode.IsSpace
std::string_view trim_space(std::string_view text);                           // strings.TrimSpace
std::string_view trim_left(std::string_view text, std::string_view cutset);   // strings.TrimLeft: characters of a set
std::string_view trim_right(std::string_view text, std::string_view cutset);  // strings.TrimRight
inline std::string_view trim(std::string_view text, std::string_view cutset) {
  return trim_right(trim_left(text, cutset), cutset);
}

// strings.Replace: the first `count` occurrences, all if negative; "" occurs before each character and at the end.
Result<std::string> replace(std::string_view text, std::string_view old, std::string_view with, int64_t count,
                            size_t limit_bytes);
// strings.SplitN: at most `count` parts, all if negative, none if 0. A separator of "" splits between characters.
std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t count);

// FirstName, first-name, HTTPServer: first_name, first_name, http_server with '_'.
std::string joined_words(std::string_view text, char connector);
// http_server: HttpServer.
std::string pascal_case(std::string_view text);
// At most `width` bytes, "..." included; it begins near byte `offset`.
std::string abbreviate(std::string_view text, int64_t offset, int64_t width);
// Lines of at most `width` characters where words allow it; long words are cut if `cuts`.
std::string wrap(std::string_view text, int64_t width, std::string_view line_break, bool cuts);

}  // namespace pipeline::go_text
