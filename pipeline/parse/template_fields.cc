// Which members of its data a template looks at; and its nodes as texts for messages.
#include <algorithm>

#include "pipeline/parse/template_node.h"

namespace pipeline {

namespace {

using Node = TemplateNode;

// Every name that is looked up on some dot is taken for a member of the data, also where dot is something else by
// then: one too many costs little. The data as a whole is read where dot or $ stands alone and dot may still be it.
class FieldFinder {
 public:
  explicit FieldFinder(TemplateTrees& trees) : trees_(trees) {}

  void list(std::vector<Node::Pointer>& nodes, bool dot_is_data) {
    for (Node::Pointer& node : nodes) visit(*node, dot_is_data);
  }

 private:
  void visit(Node& node, bool dot_is_data) {
    switch (node.kind) {
      case Node::Kind::kField: node.slot = slot_of(node.names[0]); break;
      case Node::Kind::kVariable:
        if (node.text != "$") break;
        if (node.names.empty()) {
          trees_.reads_all = true;
        } else {
          node.slot = slot_of(node.names[0]);
        }
        break;
      case Node::Kind::kDot: trees_.reads_all = trees_.reads_all || dot_is_data; break;
      case Node::Kind::kCommand:
        if (is_plain_index(node)) {  // index . "name"
          node.slot = slot_of(node.children[2]->text);
          return;
        }
        break;
      default: break;
    }
    bool changes_dot = node.is(Node::Kind::kRange) || node.is(Node::Kind::kWith);
    if (node.pipe) visit(*node.pipe, dot_is_data);
    for (Node::Pointer& child : node.children) visit(*child, dot_is_data);
    list(node.body, dot_is_data && !changes_dot);
    list(node.otherwise, dot_is_data);
    if (node.is(Node::Kind::kAction)) node.slot = shown_slot(*node.pipe);
  }

  // Of {{ .name }}.
  static size_t shown_slot(const Node& pipe) {
    if (!pipe.names.empty() || pipe.children.size() != 1 || pipe.children[0]->children.size() != 1)
      return Node::kNoSlot;
    const Node& operand = *pipe.children[0]->children[0];
    return operand.is(Node::Kind::kField) && operand.names.size() == 1 ? operand.slot : Node::kNoSlot;
  }

  static bool is_plain_index(const Node& command) {
    const auto& words = command.children;
    return words.size() == 3 && words[0]->is(Node::Kind::kIdentifier) && words[0]->text == "index" &&
           (words[1]->is(Node::Kind::kDot) ||
            (words[1]->is(Node::Kind::kVariable) && words[1]->text == "$" && words[1]->names.empty())) &&
           words[2]->is(Node::Kind::kString);
  }

  size_t slot_of(const std::string& name) {
    auto at = std::find(trees_.fields.begin(), trees_.fields.end(), name);
    if (at == trees_.fields.end()) at = trees_.fields.insert(at, name);
    return static_cast<size_t>(at - trees_.fields.begin());
  }

  TemplateTrees& trees_;
};

void append_fields(std::string& out, const Node& node) {
  for (const std::string& name : node.names) out.append(".").append(name);
}

void append_pipe(std::string& out, const Node& pipe) {
  for (size_t i = 0; i < pipe.names.size(); ++i) out.append(i > 0 ? ", " : "").append(pipe.names[i]);
  if (!pipe.names.empty()) out.append(pipe.assigns ? " = " : " := ");
  for (size_t i = 0; i < pipe.children.size(); ++i) {
    if (i > 0) out.append(" | ");
    append_node(out, *pipe.children[i]);
  }
}

}  // namespace

void append_node(std::string& out, const TemplateNode& node) {
  switch (node.kind) {
    case Node::Kind::kPipe: return append_pipe(out, node);
    case Node::Kind::kCommand:
      for (size_t i = 0; i < node.children.size(); ++i) {
        if (i > 0) out.push_back(' ');
        bool nested = node.children[i]->is(Node::Kind::kPipe);
        if (nested) out.push_back('(');
        append_node(out, *node.children[i]);
        if (nested) out.push_back(')');
      }
      return;
    case Node::Kind::kField: return append_fields(out, node);
    case Node::Kind::kVariable: out.append(node.text); return append_fields(out, node);
    case Node::Kind::kChain: {
      bool nested = node.children[0]->is(Node::Kind::kPipe);
      if (nested) out.push_back('(');
      append_node(out, *node.children[0]);
      if (nested) out.push_back(')');
      return append_fields(out, node);
    }
    case Node::Kind::kDot: return out.push_back('.');
    case Node::Kind::kNil: return void(out.append("nil"));
    case Node::Kind::kBool: return void(out.append(node.value.as_bool() ? "true" : "false"));
    case Node::Kind::kString: return void(out.append(node.source));
    case Node::Kind::kTemplate:
      out.append("{{template \"").append(node.text).append("\"");
      if (node.pipe) out.push_back(' '), append_pipe(out, *node.pipe);
      return void(out.append("}}"));
    default: out.append(node.text);
  }
}

void find_template_fields(TemplateTrees& trees) {
  FieldFinder finder(trees);
  finder.list(trees.root, true);
  // The data of these is what {{template}} passes; where that is the whole data, passing it was reading it.
  for (auto& [name, nodes] : trees.defined) finder.list(nodes, false);
}

}  // namespace pipeline
