// TemplateExecutor: one run of a template's tree. For go_template.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipeline/parse/template_node.h"

namespace pipeline {

class TemplateExecutor {
 public:
  TemplateExecutor(const TemplateTrees& trees, const TemplateInput& input, TemplateRun& run, std::string& out);
  Result<void> execute();

 private:
  using Node = TemplateNode;
  using Nodes = std::vector<Node::Pointer>;
  enum class Flow { kNext, kBreak, kContinue };

  Result<Flow> walk(const Nodes& nodes, const TemplateValue& dot);
  Result<Flow> walk_one(const Node& node, const TemplateValue& dot);
  Result<Flow> walk_choice(const Node& node, const TemplateValue& dot);
  Result<Flow> walk_range(const Node& node, const TemplateValue& dot);
  Result<Flow> walk_round(const Node& node, const TemplateValue& index, const TemplateValue& element);
  Result<void> call_template(const Node& node, const TemplateValue& dot);
  Result<void> print(const Node& node, const TemplateValue& value);

  Result<TemplateValue> pipe(const Node& node, const TemplateValue& dot);
  Result<TemplateValue> command(const Node& node, const TemplateValue& dot, const TemplateValue* final);
  Result<TemplateValue> operand(const Node& node, const TemplateValue& dot);
  Result<TemplateValue> fields(const Node& node, TemplateValue value, size_t from);
  Result<TemplateValue> fields_and_call(const Node& node, const Node& command, const TemplateValue& dot,
                                        const TemplateValue* final);
  TemplateValue data_member(size_t slot) const;
  Result<TemplateValue> member(const Node& node, const TemplateValue& value, const std::string& name);
  Result<TemplateValue> call(const Node& node, const Node& command, const TemplateValue& dot,
                             const TemplateValue* final);
  Result<TemplateValue> call_logic(const Node& node, const Node& command, const TemplateValue& dot,
                                   const TemplateValue* final);
  Result<TemplateValue> argument(const Node& node, const TemplateValue& dot, char type);
  Result<TemplateValue> fitting(const Node& node, TemplateValue value, char type);
  Result<TemplateValue> variable(const Node& node);
  Result<void> set_variables(const Node& pipe, const TemplateValue& value);

  Result<void> step(const Node& node);
  Result<void> deeper(const Node& node);
  Result<void> pay(const Node& node, std::span<const TemplateValue> arguments);
  tl::unexpected<Error> fault(const Node& node, std::string_view what) const;
  bool is_data(const TemplateValue& value) const {
    return value.is(TemplateValue::Kind::kMap) && &value.as_map() == &data_;
  }

  const TemplateTrees& trees_;
  const TemplateInput& input_;
  TemplateRun& run_;
  std::string& out_;
  const size_t out_limit_;
  TemplateMap data_;  // stands for the data where only single members are looked at
  uint64_t steps_left_;
  int depth_ = 0;
  std::string_view name_;  // of the template that runs
};

}  // namespace pipeline
