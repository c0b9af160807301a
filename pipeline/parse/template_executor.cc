#include "pipeline/parse/template_executor.h"

#include <algorithm>

#include "pipeline/parse/go_format.h"
#include "pipeline/parse/time_method.h"

namespace pipeline {

using Kind = TemplateValue::Kind;

namespace {

constexpr int kMaxRunDepth = 500;  // of templates, branches and parentheses: 3 KiB of stack a level at most

std::string_view type_name(char type) {
  switch (type) {
    case 's': return "string";
    case 'i': return "int";
    case 'l': return "int64";
    case 'b': return "bool";
    case 'f': return "float64";
    case 'm': return "map[string]interface {}";
    case 't': return "time.Time";
    default: return "interface {}";
  }
}

bool fits(const TemplateValue& value, char type) {
  using enum TemplateValue::Integer;
  switch (type) {
    case 's': return value.is(Kind::kText);
    case 'i': return value.is(Kind::kInteger) && value.integer_type() == kInt;
    case 'l': return value.is(Kind::kInteger) && value.integer_type() == kInt64;
    case 'b': return value.is(Kind::kBool);
    case 'f': return value.is(Kind::kNumber);
    case 'm': return value.is(Kind::kMap) && !value.as_map().only_texts;
    case 't': return value.is(Kind::kTime);
    default: return true;
  }
}

std::string_view literal_kind(char type) {
  return type == 'i' || type == 'l' ? "integer" : type == 'f' ? "float" : type == 'b' ? "bool" : "string";
}

// The type of parameter `i`; a * repeats the last one.
char parameter_type(std::string_view parameters, size_t i) {
  if (parameters.ends_with('*')) return parameters[std::min(i, parameters.size() - 2)];
  return parameters[i];
}

}  // namespace

TemplateExecutor::TemplateExecutor(const TemplateTrees& trees, const TemplateInput& input, TemplateRun& run,
                                   std::string& out)
    : trees_(trees),
      input_(input),
      run_(run),
      out_(out),
      out_limit_(out.size() + run.limits().output_bytes),
      steps_left_(run.limits().steps),
      name_(trees.name) {}

Result<void> TemplateExecutor::execute() {
  run_.input_ = &input_;
  run_.memory_.clear(run_.limits().memory_bytes);
  run_.variables_.clear();
  run_.arguments_.clear();
  TemplateValue dot = TemplateValue::map(trees_.reads_all && input_.all != nullptr ? input_.all : &data_);
  run_.variables_.emplace_back("$", dot);
  TRY(walk(trees_.root, dot));
  return {};
}

tl::unexpected<Error> TemplateExecutor::fault(const Node& node, std::string_view what) const {
  std::string_view before = std::string_view(trees_.text).substr(0, node.position);
  auto line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  size_t newline = before.rfind('\n');
  size_t column = newline == std::string_view::npos ? node.position : node.position - newline - 1;
  std::string name, shown;
  append_go_quoted(name, name_);
  append_node(shown, node);
  return fail(Errc::kInvalid, concat("template: ", trees_.name, ":", line, ":", column, ": executing ", name, " at <",
                                     shown, ">: ", what));
}

Result<void> TemplateExecutor::step(const Node& node) {
  if (steps_left_-- > 0) return {};
  steps_left_ = 0;
  return fail(Errc::kOverLimit, fault(node, "the template runs too long").value().message);
}

// A function may look at all of its arguments: large ones count as more steps.
Result<void> TemplateExecutor::pay(const Node& node, std::span<const TemplateValue> arguments) {
  constexpr size_t kBytesPerStep = 64;
  size_t size = 0;
  for (const TemplateValue& value : arguments) {
    if (value.is(Kind::kText)) size += value.as_text().size() / kBytesPerStep;
    if (value.is(Kind::kList)) size += value.as_list().size;
    if (value.is(Kind::kMap)) size += value.as_map().size;
  }
  if (size < steps_left_) {
    steps_left_ -= size;
    return {};
  }
  steps_left_ = 0;
  return step(node);
}

// ---------------------------------------------------------------------------------------------------------- statements

Result<TemplateExecutor::Flow> TemplateExecutor::walk(const Nodes& nodes, const TemplateValue& dot) {
  if (nodes.empty()) return Flow::kNext;
  TRY(deeper(*nodes[0]));
  Flow flow = Flow::kNext;
  for (size_t i = 0; i < nodes.size() && flow == Flow::kNext; ++i) { TRY_LET(flow, walk_one(*nodes[i], dot)); }
  --depth_;
  return flow;
}

// Templates that call one another nest what they nest themselves.
Result<void> TemplateExecutor::deeper(const Node& node) {
  if (++depth_ <= kMaxRunDepth) return {};
  return fault(node, concat("exceeded maximum template depth (", kMaxRunDepth, ")"));
}

Result<TemplateExecutor::Flow> TemplateExecutor::walk_one(const Node& node, const TemplateValue& dot) {
  TRY(step(node));
  switch (node.kind) {
    case Node::Kind::kText:
      out_.append(node.text);
      if (out_.size() > out_limit_) return fail(Errc::kOverLimit, "the template writes too much");
      return Flow::kNext;
    case Node::Kind::kAction: {
      if (node.slot != Node::kNoSlot && is_data(dot)) {
        TRY(print(node, data_member(node.slot)));
        return Flow::kNext;
      }
      TRY_LET(TemplateValue value, pipe(*node.pipe, dot));
      if (node.pipe->names.empty()) TRY(print(node, value));
      return Flow::kNext;
    }
    case Node::Kind::kIf:
    case Node::Kind::kWith: return walk_choice(node, dot);
    case Node::Kind::kRange: return walk_range(node, dot);
    case Node::Kind::kTemplate: TRY(call_template(node, dot)); return Flow::kNext;
    case Node::Kind::kBreak: return Flow::kBreak;
    default: return Flow::kContinue;
  }
}

Result<void> TemplateExecutor::print(const Node& node, const TemplateValue& value) {
  switch (value.kind()) {
    case Kind::kText: out_.append(value.as_text()); break;
    case Kind::kMissing:
    case Kind::kNil: out_.append("<no value>"); break;
    default: {
      // A small list may hold a large text many times; its text is counted like one more value.
      size_t before = out_.size();
      append_go_value(out_, value);
      TRY(run_.memory_.charge(out_.size() - before));
    }
  }
  if (out_.size() <= out_limit_) return {};
  return fail(Errc::kOverLimit, fault(node, "the template writes too much").value().message);
}

Result<TemplateExecutor::Flow> TemplateExecutor::walk_choice(const Node& node, const TemplateValue& dot) {
  size_t outer = run_.variables_.size();
  TRY_LET(TemplateValue value, pipe(*node.pipe, dot));
  bool chosen = is_data(value) || is_true(value);
  const TemplateValue& inner = chosen && node.is(Node::Kind::kWith) ? value : dot;
  TRY_LET(Flow flow, walk(chosen ? node.body : node.otherwise, inner));
  run_.variables_.resize(outer);
  return flow;
}

Result<TemplateExecutor::Flow> TemplateExecutor::walk_range(const Node& node, const TemplateValue& dot) {
  size_t outer = run_.variables_.size();
  TRY_LET(TemplateValue value, pipe(*node.pipe, dot));
  size_t rounds = 0;
  switch (value.kind()) {
    case Kind::kList: rounds = value.as_list().size; break;
    case Kind::kMap: rounds = value.as_map().size; break;
    case Kind::kInteger:
      if (node.pipe->names.size() > 1) {
        return fault(*node.pipe, concat("can't use ", value.as_integer(), " to iterate over more than one variable"));
      }
      rounds = value.as_integer() > 0 ? static_cast<size_t>(value.as_integer()) : 0;
      break;
    case Kind::kMissing:
    case Kind::kNil: break;
    default: {
      std::string shown;
      append_go_value(shown, value);
      return fault(*node.pipe, concat("range can't iterate over ", shown));
    }
  }
  for (size_t i = 0; i < rounds; ++i) {
    size_t mark = run_.variables_.size();
    TemplateValue index = TemplateValue::integer(static_cast<int64_t>(i)), element = index;
    if (value.is(Kind::kList)) element = value.as_list().items[i];
    if (value.is(Kind::kMap)) {
      if (i >= value.as_map().size) break;  // an unset() in the body
      index = TemplateValue::text(value.as_map().members[i].name);
      element = value.as_map().members[i].value;
    }
    TRY_LET(Flow flow, walk_round(node, index, element));
    run_.variables_.resize(mark);
    if (flow == Flow::kBreak) break;
  }
  run_.variables_.resize(outer);
  return rounds == 0 ? walk(node.otherwise, dot) : Flow::kNext;
}

Result<TemplateExecutor::Flow> TemplateExecutor::walk_round(const Node& node, const TemplateValue& index,
                                                            const TemplateValue& element) {
  TRY(step(node));
  const std::vector<std::string>& names = node.pipe->names;
  auto& variables = run_.variables_;
  for (size_t i = 0; i < names.size(); ++i) {  // with one variable it is the element, with two the index comes first
    const TemplateValue& value = names.size() == 2 && i == 0 ? index : element;
    for (size_t v = variables.size(); v > 0; --v) {
      if (variables[v - 1].first != names[i]) continue;
      variables[v - 1].second = value;
      break;
    }
  }
  return walk(node.body, element);
}

Result<void> TemplateExecutor::call_template(const Node& node, const TemplateValue& dot) {
  std::string quoted;
  append_go_quoted(quoted, node.text);
  auto found = trees_.defined.find(node.text);
  if (found == trees_.defined.end()) return fault(node, concat("template ", quoted, " not defined"));
  TemplateValue data;
  if (node.pipe) { TRY_LET(data, pipe(*node.pipe, dot)); }
  auto outer = std::exchange(run_.variables_, {});
  std::string_view outer_name = std::exchange(name_, found->first);
  run_.variables_.emplace_back("$", data);
  TRY(walk(found->second, data));
  run_.variables_ = std::move(outer);
  name_ = outer_name;
  return {};
}

// ----------------------------------------------------------------------------------------------------------- pipelines

Result<TemplateValue> TemplateExecutor::pipe(const Node& node, const TemplateValue& dot) {
  TRY(deeper(node));
  TemplateValue value;
  for (size_t i = 0; i < node.children.size(); ++i) {
    TemplateValue final = value;
    TRY_LET(value, command(*node.children[i], dot, i > 0 ? &final : nullptr));
    if (value.is(Kind::kNil)) value = TemplateValue();
  }
  if (!node.names.empty()) TRY(set_variables(node, value));
  --depth_;
  return value;
}

Result<void> TemplateExecutor::set_variables(const Node& pipe, const TemplateValue& value) {
  auto& variables = run_.variables_;
  for (const std::string& name : pipe.names) {
    if (!pipe.assigns) {
      variables.emplace_back(name, value);
      continue;
    }
    auto at =
        std::find_if(variables.rbegin(), variables.rend(), [&](const auto& known) { return known.first == name; });
    if (at == variables.rend()) return fault(pipe, concat("undefined variable: ", name));
    at->second = value;
  }
  return {};
}

Result<TemplateValue> TemplateExecutor::variable(const Node& node) {
  auto& variables = run_.variables_;
  for (size_t v = variables.size(); v > 0; --v) {
    if (variables[v - 1].first == node.text) return variables[v - 1].second;
  }
  return fault(node, concat("undefined variable: ", node.text));
}

Result<TemplateValue> TemplateExecutor::command(const Node& node, const TemplateValue& dot,
                                                const TemplateValue* final) {
  TRY(step(node));
  const Node& first = *node.children[0];
  switch (first.kind) {
    case Node::Kind::kIdentifier: return call(first, node, dot, final);
    case Node::Kind::kField:
    case Node::Kind::kVariable:
    case Node::Kind::kChain: return fields_and_call(first, node, dot, final);
    default: break;
  }
  if (node.children.size() > 1 || final != nullptr) {
    std::string shown;
    append_node(shown, first);
    return fault(first, concat("can't give argument to non-function ", shown));
  }
  if (first.is(Node::Kind::kNil)) return fault(first, "nil is not a command");
  return operand(first, dot);
}

// The value of an operand without arguments.
Result<TemplateValue> TemplateExecutor::operand(const Node& node, const TemplateValue& dot) {
  switch (node.kind) {
    case Node::Kind::kPipe: return pipe(node, dot);
    case Node::Kind::kField:
    case Node::Kind::kVariable:
    case Node::Kind::kChain: return fields_and_call(node, node, dot, nullptr);
    case Node::Kind::kIdentifier: return call(node, node, dot, nullptr);
    case Node::Kind::kDot: return dot;
    case Node::Kind::kNil: return TemplateValue::nil();
    default: return node.value;
  }
}

Result<TemplateValue> TemplateExecutor::fields_and_call(const Node& node, const Node& command, const TemplateValue& dot,
                                                        const TemplateValue* final) {
  TemplateValue value = dot;
  if (node.is(Node::Kind::kVariable)) { TRY_LET(value, variable(node)); }
  if (node.is(Node::Kind::kChain)) {
    TRY_LET(value, operand(*node.children[0], dot));
    if (value.is(Kind::kNil) || node.children[0]->is(Node::Kind::kNil)) {
      return fault(node, "nil pointer evaluating interface {}." + node.names[0]);
    }
  }
  size_t arguments = command.is(Node::Kind::kCommand) ? command.children.size() - 1 : 0;
  if (arguments == 0 && final == nullptr) return fields(node, value, 0);
  if (node.names.empty()) return fault(node, concat("can't give argument to non-function ", node.text));

  // Only the last field may be a method that takes arguments.
  size_t from = 0;
  if (is_data(value)) value = data_member(node.slot), ++from;
  for (; from + 1 < node.names.size(); ++from) { TRY_LET(value, member(node, value, node.names[from])); }
  const std::string& name = node.names.back();
  if (from >= node.names.size() || !value.is(Kind::kTime)) {
    return fault(node, concat(name, " is not a method but has arguments"));
  }
  std::vector<TemplateValue> given;
  for (size_t i = 1; i <= arguments; ++i) {
    TRY_LET(TemplateValue one, argument(*command.children[i], dot, 'v'));
    given.push_back(one);
  }
  if (final != nullptr) given.push_back(*final);
  auto answer = call_time_method(value, name, given, run_);
  if (!answer) return fault(node, answer.error().message);
  return answer;
}

Result<TemplateValue> TemplateExecutor::fields(const Node& node, TemplateValue value, size_t from) {
  if (is_data(value) && from < node.names.size()) value = data_member(node.slot), ++from;
  for (; from < node.names.size(); ++from) { TRY_LET(value, member(node, value, node.names[from])); }
  return value;
}

TemplateValue TemplateExecutor::data_member(size_t slot) const {
  TemplateValue value = slot < input_.fields.size() ? input_.fields[slot] : TemplateValue();
  if (value.is(Kind::kMissing) && trees_.functions == TemplateFunctions::kLogql) return TemplateValue::text("");
  return value;
}

Result<TemplateValue> TemplateExecutor::member(const Node& node, const TemplateValue& value, const std::string& name) {
  switch (value.kind()) {
    case Kind::kMissing: return value;
    case Kind::kNil: return fault(node, "nil pointer evaluating interface {}." + name);
    case Kind::kMap: {
      if (const TemplateValue* found = value.as_map().find(name)) return *found;
      if (value.as_map().only_texts) return TemplateValue::text("");
      return trees_.functions == TemplateFunctions::kLogql ? TemplateValue::nil() : TemplateValue();
    }
    default: break;
  }
  auto answer = call_time_method(value, name, {}, run_);
  if (answer) return answer;
  if (answer.error().code != Errc::kNotFound) return fault(node, answer.error().message);
  return fault(node, concat("can't evaluate field ", name, " in type ", go_type(value)));
}

// ----------------------------------------------------------------------------------------------------------- functions

Result<TemplateValue> TemplateExecutor::call(const Node& node, const Node& command, const TemplateValue& dot,
                                             const TemplateValue* final) {
  TRY(step(node));
  const TemplateFunction& function = *node.function;
  if (function.call == nullptr) return call_logic(node, command, dot, final);
  size_t given = command.is(Node::Kind::kCommand) ? command.children.size() - 1 : 0;
  size_t count = given + (final != nullptr ? 1 : 0);
  bool repeats = function.parameters.ends_with('*');
  size_t fixed = repeats ? function.parameters.size() - 2 : function.parameters.size();
  if (repeats ? count < fixed : count != fixed) {
    return fault(node, concat("wrong number of args for ", function.name, ": want ", repeats ? "at least " : "", fixed,
                              " got ", repeats ? given : count));
  }
  // index . "name": what the stages know already
  if (command.slot != Node::kNoSlot && final == nullptr) {
    TRY_LET(TemplateValue data, operand(*command.children[1], dot));
    if (is_data(data)) return data_member(command.slot);
  }
  auto& stack = run_.arguments_;
  size_t base = stack.size();
  for (size_t i = 0; i < given; ++i) {
    TRY_LET(TemplateValue value, argument(*command.children[i + 1], dot, parameter_type(function.parameters, i)));
    stack.push_back(value);
  }
  if (final != nullptr) {
    TRY_LET(TemplateValue value, fitting(node, *final, parameter_type(function.parameters, count - 1)));
    stack.push_back(value);
  }
  TRY(pay(command, std::span(stack).subspan(base)));
  auto answer = function.call({std::span(stack).subspan(base), run_});
  stack.resize(base);
  if (answer) return answer;
  Error wrong = fault(command, concat("error calling ", function.name, ": ", answer.error().message)).value();
  wrong.code = answer.error().code;
  return fail(std::move(wrong));
}

// and, or: the value that decides; what follows is not evaluated.
Result<TemplateValue> TemplateExecutor::call_logic(const Node& node, const Node& command, const TemplateValue& dot,
                                                   const TemplateValue* final) {
  size_t given = command.is(Node::Kind::kCommand) ? command.children.size() - 1 : 0;
  bool is_or = node.function->name == "or";
  if (given == 0 && final == nullptr) {
    return fault(node, concat("wrong number of args for ", node.function->name, ": want at least 1 got 0"));
  }
  TemplateValue value;
  for (size_t i = 1; i <= given; ++i) {
    TRY_LET(value, argument(*command.children[i], dot, 'r'));
    if ((is_data(value) || is_true(value)) == is_or) return value;
  }
  return final != nullptr ? *final : value;
}

Result<TemplateValue> TemplateExecutor::argument(const Node& node, const TemplateValue& dot, char type) {
  bool any = type == 'v' || type == 'r';
  switch (node.kind) {
    case Node::Kind::kNumber:
      if ((type == 'i' || type == 'l') && node.is_integer) {
        using enum TemplateValue::Integer;
        return TemplateValue::integer(node.integer, type == 'i' ? kInt : kInt64);
      }
      if (type == 'f' && node.is_number) return TemplateValue::number(node.number);
      [[fallthrough]];
    case Node::Kind::kBool:
    case Node::Kind::kString: {
      if (any || (fits(node.value, type) && !node.is(Node::Kind::kNumber))) return node.value;
      std::string shown;
      append_node(shown, node);
      if (type == 'm' || type == 't') {
        return fault(node, concat("can't handle ", shown, " for arg of type ", type_name(type)));
      }
      return fault(node, concat("expected ", literal_kind(type), "; found ", shown));
    }
    case Node::Kind::kNil:
      if (any) return TemplateValue::nil();
      if (type == 'm') return fitting(node, TemplateValue(), type);
      return fault(node, concat("cannot assign nil to ", type_name(type)));
    default: break;
  }
  TRY_LET(TemplateValue value, operand(node, dot));
  return fitting(node, value, type);
}

Result<TemplateValue> TemplateExecutor::fitting(const Node& node, TemplateValue value, char type) {
  if (type == 'r') return value;
  if (type == 'v') return value.is(Kind::kMissing) ? TemplateValue::nil() : value;
  if (fits(value, type)) return value;
  if (value.is(Kind::kMissing) && type == 'm') {
    TRY_LET(TemplateMap * empty, run_.memory_.map(0));
    return TemplateValue::map(empty);
  }
  if (value.is(Kind::kMissing)) return fault(node, concat("invalid value; expected ", type_name(type)));
  std::string_view have = value.is(Kind::kNil) ? "interface {}" : go_type(value);
  return fault(node, concat("wrong type for value; expected ", type_name(type), "; got ", have));
}

}  // namespace pipeline
