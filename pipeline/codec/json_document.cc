#include "pipeline/codec/json_document.h"

#include "pipeline/model/quoted_text.h"

namespace pipeline::json_body {

namespace {

// From the start to the brace that closes the object there; all of it where there is none.
std::string_view first_object(std::string_view body) {
  int depth = 0;
  bool in_string = false;
  for (size_t at = 0; at < body.size(); ++at) {
    const char c = body[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      return body.substr(0, at + 1);
    }
  }
  return body;
}

std::string with_replacements(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) append_utf8(out, take_utf8(text, at));
  return out;
}

}  // namespace

// Most bodies are fine: what is wrong is looked for only after simdjson refused.
Result<std::optional<json::object>> JsonDocument::open(std::string_view body) {
  if (body.size() >= simdjson::SIMDJSON_MAXSIZE_BYTES) return fail(Errc::kInvalid, "json: body of 4 GiB or more");
  auto opened = try_open(body);
  if (opened) return opened;
  const std::string_view first = first_object(body);
  if (!is_valid_utf8(first)) return try_open(with_replacements(first));
  if (first.size() < body.size()) return try_open(first);
  return opened;
}

Result<std::optional<json::object>> JsonDocument::try_open(std::string_view body) {
  text_ = simdjson::padded_string(body);
  JSON_LET(document_, parser_.iterate(text_), "json");
  if (auto scalar = document_.is_null(); !scalar.error() && scalar.value_unsafe()) return std::nullopt;
  JSON_LET(json::object root, document_.get_object(), "json");
  return root;
}

}  // namespace pipeline::json_body
