// JsonPath: the paths of LogQL's `| json a="b.c[0][\"x y\"]"` (logql.md 4.6): fields, ["any key"], [index].
//
// Thread: any (immutable). Errors: kInvalid: `cannot parse expression [b-c]: unexpected char -`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/parse/json.h"

namespace pipeline {

class JsonPath {
 public:
  static Result<JsonPath> parse(std::string_view text);

  using Step = std::variant<std::string, size_t>;  // a key or an index
  const std::vector<Step>& steps() const { return steps_; }

  struct Found {
    std::optional<JsonValue> value;         // of the first matching key; nothing: no such thing
    std::optional<std::string_view> fault;  // the value itself is broken: the details of JSONParserErr
  };
  // `line` begins with its first byte of JSON ({, [ or "). Faults elsewhere in the line are silent.
  Found find(std::string_view line) const;

 private:
  std::vector<Step> steps_;
};

// The text LogQL gives a value found by a path: strings decoded, null "", numbers, booleans, objects and arrays as
// written.
std::string_view json_path_text(const JsonValue& value, Arena& arena);

}  // namespace pipeline
