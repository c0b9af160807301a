// For the decoders of JSON bodies in this room: simdjson's answers as results, and texts without a search.
#pragma once

#include <simdjson.h>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"

namespace pipeline::json_body {

namespace json = simdjson::ondemand;

inline Error invalid(std::string_view where, std::string_view why) {
  return {Errc::kInvalid, concat(where, ": ", why)};
}
inline Error invalid(std::string_view where, simdjson::error_code code) {
  return invalid(where, simdjson::error_message(code));
}

inline std::string_view trim_end(std::string_view text) {
  size_t end = text.find_last_not_of(" \t\r\n");
  return text.substr(0, end == text.npos ? 0 : end + 1);
}

}  // namespace pipeline::json_body

// The value of a simdjson answer, or kInvalid.
#define JSON_LET(declaration, expression, where)                            \
  auto PIPELINE_CONCAT(answer_, __LINE__) = (expression);                   \
  if (auto code = PIPELINE_CONCAT(answer_, __LINE__).error())               \
    return ::pipeline::fail(::pipeline::json_body::invalid((where), code)); \
  declaration = std::move(PIPELINE_CONCAT(answer_, __LINE__)).value_unsafe()

namespace pipeline::json_body {

// The content of a string: a view into the body where nothing is escaped (the length is known from the structure, so
// nothing is searched but a backslash), else into the parser's own buffer.
inline Result<std::string_view> string_of(json::value& value, std::string_view where) {
  std::string_view raw = trim_end(value.raw_json_token());
  if (raw.size() < 2 || raw.front() != '"') {
    return fail(invalid(where, concat("a string expected, got ", raw.substr(0, 40))));
  }
  std::string_view content = raw.substr(1, raw.size() - 2);
  if (content.find('\\') == content.npos) return content;
  JSON_LET(std::string_view unescaped, value.get_string(), where);
  return unescaped;
}

}  // namespace pipeline::json_body
