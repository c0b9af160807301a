#include <algorithm>
#include <span>

#include "pipeline/base/concat.h"
#include "pipeline/config/config_node.h"

namespace pipeline {

namespace {

bool is_name_char(char c, bool first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

// ${NAME} or ${NAME:-default} at the beginning of a text.
struct Reference {
  std::string name;
  std::optional<std::string> otherwise;
  size_t size = 0;      // of the whole; 0: this is no reference
  bool closed = false;  // false: ${NAME:- without a closing brace
};

Reference take_reference(std::string_view text) {
  if (!text.starts_with("${")) return {};
  size_t at = 2;
  while (at < text.size() && is_name_char(text[at], at == 2)) ++at;
  Reference out{std::string(text.substr(2, at - 2)), std::nullopt, 0, false};
  if (out.name.empty() || at == text.size()) return {};
  if (text[at] == '}') {
    out.size = at + 1, out.closed = true;
  } else if (text.substr(at).starts_with(":-")) {
    size_t end = text.find('}', at);
    out.closed = end != text.npos;
    out.size = out.closed ? end + 1 : text.size();
    out.otherwise = text.substr(at + 2, out.closed ? end - at - 2 : text.npos);
  }
  return out;
}

// What has a $ of its own is left alone there: ${n} is a group of an expression, a template has variables.
constexpr std::string_view kRelabelTexts[] = {"regex", "replacement", "target_label"};
constexpr std::string_view kStageTexts[] = {"expression", "expressions", "template",  "replace",
                                            "selector",   "pattern",     "firstline", "regex"};

bool is_among(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class VariableReplacer {
 public:
  VariableReplacer(ConfigState& state, const ConfigDocument::Environment& environment)
      : state_(state), environment_(environment) {}

  // `verbatim`: keys of the tables in this array, and in arrays below it, that stay as they are.
  void run(ConfigNode& node, std::span<const std::string_view> verbatim = {}) {
    if (node.kind == ConfigKind::kString && node.text.find("${") != std::string::npos) node.text = replaced(node);
    if (node.kind == ConfigKind::kArray && node.key == "stage") verbatim = kStageTexts;
    if (node.kind == ConfigKind::kArray && node.key == "relabel") verbatim = kRelabelTexts;
    for (const auto& child : node.children) {
      if (node.kind == ConfigKind::kTable && is_among(verbatim, child->key)) continue;
      // The keys of a table that is no element of an array are the user's own.
      run(*child,
          child->kind == ConfigKind::kTable && !child->key.empty() ? std::span<const std::string_view>() : verbatim);
    }
  }

 private:
  std::string replaced(const ConfigNode& node) {
    std::string out;
    std::string_view rest = node.text;
    while (true) {
      size_t at = rest.find("${");
      if (at == rest.npos) return out.append(rest);
      if (at > 0 && rest[at - 1] == '$') {  // $${ is a literal ${
        out.append(rest.substr(0, at - 1)).append("${");
        rest.remove_prefix(at + 2);
        continue;
      }
      out.append(rest.substr(0, at));
      rest.remove_prefix(at);
      Reference reference = take_reference(rest);
      if (reference.size == 0) reference.size = 2, out.append("${");
      if (!reference.name.empty() && reference.size > 2) out.append(value_of(reference, node));
      rest.remove_prefix(reference.size);
    }
  }

  std::string value_of(const Reference& reference, const ConfigNode& node) {
    if (!reference.closed) {
      state_.add_error(node.position, concat("${", reference.name, ":- has no closing }"),
                       "write $${ for a literal ${");
      return "";
    }
    std::optional<std::string> value = environment_(reference.name);
    if (reference.otherwise.has_value()) return value.has_value() && !value->empty() ? *value : *reference.otherwise;
    if (value.has_value()) return *value;
    state_.add_error(node.position, concat("environment variable ", reference.name, " is not set"),
                     concat("set it, or give a default as in ${", reference.name, ":-default}"));
    return "";
  }

  ConfigState& state_;
  const ConfigDocument::Environment& environment_;
};

}  // namespace

void replace_variables(ConfigState& state, ConfigNode& root, const ConfigDocument::Environment& environment) {
  VariableReplacer(state, environment).run(root);
}

}  // namespace pipeline
