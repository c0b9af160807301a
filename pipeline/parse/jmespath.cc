#include "pipeline/parse/jmespath.h"

#include "pipeline/parse/jmespath_node.h"

namespace pipeline {

namespace {

using Node = JmesNode;

// The steps of an expression of keys and indices; false: it has more than these.
bool append_steps(const Node& node, std::vector<JmesPath::Step>& steps) {
  if (node.kind == Node::Kind::kField) return steps.emplace_back(node.text), true;
  if (node.kind == Node::Kind::kIndex) return steps.emplace_back(node.index), true;
  if (node.kind != Node::Kind::kChain) return false;
  const Node& left = *node.children[0];
  // [0] alone is looked up in the current node
  bool begins = left.kind == Node::Kind::kCurrent && node.children[1]->kind == Node::Kind::kIndex;
  return (begins || append_steps(left, steps)) && append_steps(*node.children[1], steps);
}

JsonValue take_step(const JsonValue& from, const JmesPath::Step& step) {
  JsonValue found;
  if (const auto* key = std::get_if<std::string>(&step)) {
    if (from.kind != JsonKind::kObject) return found;
    std::vector<JsonMember> members;
    json_members(from, members);
    for (const JsonMember& member : members) {
      if (json_equals(member.name, *key)) found = member.value;
    }
    return found;
  }
  if (from.kind != JsonKind::kArray) return found;
  std::vector<JsonValue> elements;
  json_elements(from, elements);
  int64_t index = std::get<int64_t>(step);
  if (index < 0) index += static_cast<int64_t>(elements.size());
  if (index >= 0 && index < static_cast<int64_t>(elements.size())) found = elements[static_cast<size_t>(index)];
  return found;
}

}  // namespace

Result<JmesPath> JmesPath::compile(std::string_view expression) {
  auto tree = parse_jmespath(expression);
  if (!tree) return fail(tree.error().within("could not compile JMES expression"));
  JmesPath path;
  if (!append_steps(*(*tree)->root, path.steps_)) path.steps_.clear();
  path.tree_ = *std::move(tree);
  return path;
}

const std::string* JmesPath::top_key() const { return std::get_if<std::string>(&steps_[0]); }

JsonValue JmesPath::search(const JsonValue& document) const { return search_below(take_step(document, steps_[0])); }

JsonValue JmesPath::search_below(JsonValue top) const {
  for (size_t i = 1; i < steps_.size(); ++i) top = take_step(top, steps_[i]);
  return top;
}

Result<TemplateValue> JmesPath::run(const TemplateValue& document, TemplateMemory& memory) const {
  return JmesSearch(document, memory).run(*tree_->root, document);
}

void append_compact_json(std::string& out, const TemplateValue& value) {
  using Kind = TemplateValue::Kind;
  switch (value.kind()) {
    case Kind::kText: return append_compact_text(out, value.as_text());
    case Kind::kNumber: return append_compact_number(out, value.as_number());
    case Kind::kBool: return void(out.append(value.as_bool() ? "true" : "false"));
    case Kind::kList:
      out.push_back('[');
      for (const TemplateValue& item : value.as_list()) {
        if (&item != value.as_list().begin()) out.push_back(',');
        append_compact_json(out, item);
      }
      return out.push_back(']');
    case Kind::kMap:
      out.push_back('{');
      for (const TemplateMap::Member& member : value.as_map()) {
        if (&member != value.as_map().begin()) out.push_back(',');
        append_compact_text(out, member.name);
        out.push_back(':');
        append_compact_json(out, member.value);
      }
      return out.push_back('}');
    default: out.append("null");
  }
}

}  // namespace pipeline
