// The tree of a JMESPath expression, for what is more than a path of keys and indices. For the jmespath_* files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/parse/template_value.h"

namespace pipeline {

struct JmesFunction;

struct JmesNode {
  enum class Kind : uint8_t {
    kCurrent,           // @
    kRoot,              // $
    kField,             // text
    kVariable,          // text: $x
    kLiteral,           // literal
    kIndex,             // index
    kSlice,             // begin, end, by
    kChain,             // children: left, right: right is looked up in what left gives
    kListProjection,    // left[*].right
    kSliceProjection,   // left[1:3].right; a text is cut and not projected
    kObjectProjection,  // left.*.right
    kFlatten,           // left[]
    kFilter,            // left[?condition].right: children left, right, condition
    kOr,
    kAnd,
    kNot,
    kPipe,
    kCompare,     // operation
    kArithmetic,  // operation
    kNegative,
    kPositive,
    kMultiList,   // children
    kMultiHash,   // names and children
    kCall,        // function, children
    kExpression,  // &child
    kLet          // names, children: their values and then the expression
  };
  enum class Operation : uint8_t {
    kEqual,
    kUnequal,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kDivideWhole,
    kModulo
  };
  using Pointer = std::unique_ptr<JmesNode>;

  Kind kind = Kind::kCurrent;
  Operation operation = Operation::kEqual;
  std::string text{};
  TemplateValue literal{};
  std::optional<int64_t> begin{}, end{}, by{};
  int64_t index = 0;
  const JmesFunction* function = nullptr;  // null: text is no function; found out when it is called, as upstream does
  std::vector<std::string> names{};
  std::vector<Pointer> children{};
  int height = 0;  // of the tree below: so deep goes a search

  void add(Pointer child);
};

// A parsed expression and the memory of its literals.
struct JmesTree {
  JmesNode::Pointer root;
  TemplateMemory literals;
};

// jmespath_parser.cc. kInvalid: `SyntaxError: Incomplete expression`.
Result<std::shared_ptr<const JmesTree>> parse_jmespath(std::string_view expression);

// One run of an expression (jmespath_search.cc). An error is what upstream calls one: a function given what it does not
// take, a slice by 0.
class JmesSearch {
 public:
  JmesSearch(const TemplateValue& root, TemplateMemory& memory) : root_(root), memory_(memory) {}
  Result<TemplateValue> run(const JmesNode& node, const TemplateValue& current);
  TemplateMemory& memory() { return memory_; }

 private:
  Result<TemplateValue> project(const JmesNode& node, const TemplateValue* begin, const TemplateValue* end);
  Result<TemplateValue> slice(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> flatten(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> object_projection(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> filter(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> multi_list(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> multi_hash(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> arithmetic(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> call(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> let(const JmesNode& node, const TemplateValue& current);
  Result<TemplateValue> list_of(const std::vector<TemplateValue>& items);

  const TemplateValue root_;
  TemplateMemory& memory_;
  std::vector<std::pair<std::string_view, TemplateValue>> variables_;  // the innermost last
};

// An argument of a function: a value, or &expression.
struct JmesArgument {
  TemplateValue value{};
  const JmesNode* expression = nullptr;
};

struct JmesFunction {
  std::string_view name;
  // One letter per parameter: s text, n number, a list, o object, S list of texts, N list of numbers, C list of numbers
  // or texts, e expression, v anything; two in brackets are alternatives; behind ? optional; a last * repeats.
  std::string_view parameters;
  Result<TemplateValue> (*call)(JmesSearch& search, const std::vector<JmesArgument>& arguments);
};

// Null: there is no such function.
const JmesFunction* find_jmes_function(std::string_view name);
// kInvalid: too many, too few, or of the wrong types.
Result<void> check_jmes_arguments(const JmesFunction& function, const std::vector<JmesArgument>& arguments);

}  // namespace pipeline
