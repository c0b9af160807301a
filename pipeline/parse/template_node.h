// The tree of a parsed Go template. For template_parser, template_executor and go_template.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parse/go_template.h"
#include "pipeline/parse/template_function.h"

namespace pipeline {

struct TemplateNode {
  enum class Kind : uint8_t {
    // what stands in a text
    kText,      // text
    kAction,    // pipe; slot, if it only shows a member of the data
    kIf,        // pipe, body, otherwise
    kRange,     // pipe, body, otherwise
    kWith,      // pipe, body, otherwise
    kTemplate,  // text: its name; pipe (may be null)
    kBreak,
    kContinue,
    // what stands in an action
    kPipe,        // names: the variables declared or assigned; children: commands
    kCommand,     // children: the operand or function, then its arguments
    kField,       // names: .a.b; slot of the first
    kVariable,    // text: $x, names: the fields behind it; slot of the first
    kChain,       // children[0], names: the fields behind it
    kIdentifier,  // text, function
    kDot,
    kNil,
    kBool,    // value
    kNumber,  // value, is_integer, integer, number; text: as written
    kString   // value: a view of text; source: as written
  };
  using Pointer = std::unique_ptr<TemplateNode>;
  static constexpr size_t kNoSlot = static_cast<size_t>(-1);

  Kind kind = Kind::kText;
  bool assigns = false;  // kPipe: = and not :=
  bool is_integer = false, is_number = false;
  size_t position = 0;
  size_t slot = kNoSlot;  // in GoTemplate::fields()
  int64_t integer = 0;
  double number = 0;
  TemplateValue value{};
  const TemplateFunction* function = nullptr;
  std::string text{}, source{};
  std::vector<std::string> names{};
  std::vector<Pointer> children{};
  Pointer pipe{};
  std::vector<Pointer> body{}, otherwise{};

  bool is(Kind k) const { return kind == k; }
  bool is_constant() const { return kind >= Kind::kDot; }
};

// As Go's messages show an expression.
void append_node(std::string& out, const TemplateNode& node);

struct TemplateTrees {
  std::string name, text;
  TemplateFunctions functions = TemplateFunctions::kStage;
  std::vector<TemplateNode::Pointer> root;
  std::map<std::string, std::vector<TemplateNode::Pointer>, std::less<>> defined;
  std::vector<std::string> fields;
  bool reads_all = false;
};

// template_parser.cc
Result<std::shared_ptr<const TemplateTrees>> parse_template(std::string_view name, std::string_view text,
                                                            TemplateFunctions functions);
// template_fields.cc: fills `fields`, `reads_all` and the slots of the nodes.
void find_template_fields(TemplateTrees& trees);

}  // namespace pipeline
