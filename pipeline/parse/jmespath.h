// JmesPath: the expressions of the `json` stage: JMESPath, community edition 1.1 (let, arithmetic, texts).
//
//   auto path = JmesPath::compile("kubernetes.labels.app");     // a path: found in the text, nothing is built
//   auto other = JmesPath::compile("users[?age > `30`] | [0]"); // anything else: run on the values of the document
//
// Thread:  any (immutable).
// Limits:  200 levels of nesting, 500 steps one behind the other; a run ends after some millions of steps.
// Errors:  compile(): kInvalid: `could not compile JMES expression: SyntaxError: Incomplete expression`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/parse/json.h"
#include "pipeline/parse/template_value.h"

namespace pipeline {

struct JmesTree;  // jmespath_node.h

class JmesPath {
 public:
  static Result<JmesPath> compile(std::string_view expression);

  // Only keys and indices: search() finds it. Else run() does.
  bool is_path() const { return !steps_.empty(); }

  // --- paths
  using Step = std::variant<std::string, int64_t>;  // a key or an index, negative from the end
  const std::vector<Step>& steps() const { return steps_; }
  // The first key, where the expression begins with one.
  const std::string* top_key() const;

  // `document` is well formed. Nothing found is null. Of repeated keys the last counts.
  JsonValue search(const JsonValue& document) const;
  // The steps from the second on, for a caller that has found the first key itself.
  JsonValue search_below(JsonValue top) const;

  // --- all expressions
  // On the values of a document (value_of_json, numbers as doubles). The result lies in `memory`, with `document`, or
  // with this. kInvalid: what upstream calls an error too, for example a function that does not take what it is given.
  Result<TemplateValue> run(const TemplateValue& document, TemplateMemory& memory) const;

 private:
  std::vector<Step> steps_;
  std::shared_ptr<const JmesTree> tree_;
};

// As append_compact_json, for what run() gives.
void append_compact_json(std::string& out, const TemplateValue& value);

}  // namespace pipeline
