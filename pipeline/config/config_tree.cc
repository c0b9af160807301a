#include <algorithm>
#include <sstream>
#include <toml++/toml.h>

#include "pipeline/base/concat.h"
#include "pipeline/config/config_node.h"

namespace pipeline {

namespace {

ConfigPosition position_of(const toml::source_region& region) { return {region.begin.line, region.begin.column}; }

// "[a.b]" and "c" make "[a.b.c]"; the root's title is no part of it.
std::string title_of(const ConfigNode& parent, bool parent_is_root, std::string_view key, bool in_array) {
  std::string_view path = parent.title;
  path = path.substr(path.find_first_not_of('['));
  path = path.substr(0, path.find(']'));
  std::string dotted = parent_is_root ? std::string(key) : concat(path, ".", key);
  return in_array ? concat("[[", dotted, "]]") : concat("[", dotted, "]");
}

class TreeBuilder {
 public:
  explicit TreeBuilder(ConfigNode& root) : root_(root) {}

  void fill(ConfigNode& node, const toml::node& value, const ConfigNode& parent) {
    node.position = position_of(value.source());
    if (const toml::table* table = value.as_table()) {
      node.kind = ConfigKind::kTable;
      if (&node != &root_) node.title = title_of(parent, &parent == &root_, key_of(node), node.key.empty());
      fill_table(node, *table);
    } else if (const toml::array* array = value.as_array()) {
      node.kind = ConfigKind::kArray;
      for (const toml::node& element : *array) {
        node.children.push_back(std::make_unique<ConfigNode>());
        ConfigNode& child = *node.children.back();
        child.key_position = position_of(element.source());
        array_key_ = node.key;
        fill(child, element, parent);
      }
    } else {
      fill_scalar(node, value);
    }
  }

 private:
  // A table in an array has no key of its own; its title takes the array's.
  std::string_view key_of(const ConfigNode& node) const {
    return node.key.empty() ? std::string_view(array_key_) : std::string_view(node.key);
  }

  void fill_table(ConfigNode& node, const toml::table& table) {
    for (const auto& [key, value] : table) {
      node.children.push_back(std::make_unique<ConfigNode>());
      ConfigNode& child = *node.children.back();
      child.key = key.str();
      child.key_position = position_of(key.source());
      fill(child, value, node);
    }
    std::stable_sort(node.children.begin(), node.children.end(),
                     [](const auto& a, const auto& b) { return a->key_position < b->key_position; });
  }

  static void fill_scalar(ConfigNode& node, const toml::node& value) {
    if (const auto* text = value.as_string()) {
      node.kind = ConfigKind::kString, node.text = text->get();
    } else if (const auto* integer = value.as_integer()) {
      node.kind = ConfigKind::kInteger, node.integer = integer->get();
    } else if (const auto* number = value.as_floating_point()) {
      node.kind = ConfigKind::kNumber, node.number = number->get();
    } else if (const auto* boolean = value.as_boolean()) {
      node.kind = ConfigKind::kBoolean, node.boolean = boolean->get();
    } else {
      std::ostringstream out;
      value.visit([&](const auto& v) {
        if constexpr (toml::is_date<decltype(v)> || toml::is_time<decltype(v)> || toml::is_date_time<decltype(v)>) {
          out << v.get();
        }
      });
      node.kind = ConfigKind::kTime, node.text = out.str();
    }
  }

  ConfigNode& root_;
  std::string array_key_;
};

}  // namespace

Result<void> parse_config_tree(std::string_view toml_text, ConfigState& state) {
  try {  // the one place where exceptions of toml++ end
    toml::table table = toml::parse(toml_text, state.name);
    state.root.title = state.name;
    TreeBuilder(state.root).fill(state.root, table, state.root);
    state.root.position = state.root.key_position = {1, 1};
    state.root.opened = true;
    return {};
  } catch (const toml::parse_error& e) {
    ConfigError error{state.name, position_of(e.source()), std::string(e.description()), ""};
    return fail(Errc::kInvalid, error.text());
  } catch (const std::exception& e) { return fail(Errc::kInvalid, concat(state.name, ": ", e.what())); }
}

}  // namespace pipeline
