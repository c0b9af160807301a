// JsonDocument: the one JSON object of a body, opened for simdjson's on-demand reading, as forgiving as Loki: what
// stands behind the object does not count, and a byte that is no UTF-8 is read as U+FFFD.
//
// Life:   what was opened holds until the next open() or the end of this.
// Thread: one.
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/codec/json_impl.h"

namespace pipeline::json_body {

class JsonDocument {
 public:
  // Nothing: the body is `null`. kInvalid: it is no object, or no JSON.
  Result<std::optional<json::object>> open(std::string_view body);

 private:
  Result<std::optional<json::object>> try_open(std::string_view body);

  json::parser parser_;
  simdjson::padded_string text_;
  json::document document_;
};

}  // namespace pipeline::json_body
