// JmesPath: the expressions of the `json` stage: identifiers, "quoted identifiers", a.b, [0], [-1].
//
// Thread:  any (immutable).
// Errors:  kInvalid: `could not compile JMES expression: ...`; what JMESPath has beyond these forms is
//          `not supported yet: ...` and names the form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/parse/json.h"

namespace pipeline {

class JmesPath {
 public:
  static Result<JmesPath> compile(std::string_view expression);

  using Step = std::variant<std::string, int64_t>;  // a key or an index, negative from the end
  const std::vector<Step>& steps() const { return steps_; }
  // The first key, where the expression begins with one.
  const std::string* top_key() const;

  // `document` is well formed. Nothing found is null. Of repeated keys the last counts.
  JsonValue search(const JsonValue& document) const;
  // The steps from the second on, for a caller that has found the first key itself.
  JsonValue search_below(JsonValue top) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace pipeline
