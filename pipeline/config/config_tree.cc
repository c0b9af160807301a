#include <algorithm>
#include <sstream>
#include <toml++/toml.h>

#include "pipeline/base/concat.h"
#include "pipeline/config/config_node.h"

namespace pipeline {

namespace {

ConfigPosition position_of(const toml::source_region& region, uint32_t file) {
  return {region.begin.line, region.begin.column, file};
}

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
  TreeBuilder(ConfigNode& root, uint32_t file) : root_(root), file_(file) {}

  void fill(ConfigNode& node, const toml::node& value, const ConfigNode& parent) {
    node.position = position_of(value.source(), file_);
    if (const toml::table* table = value.as_table()) {
      node.kind = ConfigKind::kTable;
      if (&node != &root_) node.title = title_of(parent, &parent == &root_, key_of(node), node.key.empty());
      fill_table(node, *table);
    } else if (const toml::array* array = value.as_array()) {
      node.kind = ConfigKind::kArray;
      for (const toml::node& element : *array) {
        node.children.push_back(std::make_unique<ConfigNode>());
        ConfigNode& child = *node.children.back();
        child.key_position = position_of(element.source(), file_);
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
      child.key_position = position_of(key.source(), file_);
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
  const uint32_t file_;
  std::string array_key_;
};

}  // namespace

std::optional<ConfigError> parse_config_tree(ConfigFile& file, uint32_t index) {
  try {  // the one place where exceptions of toml++ end
    toml::table table = toml::parse(file.text, file.name);
    file.root.title = file.name;
    TreeBuilder(file.root, index).fill(file.root, table, file.root);
    file.root.position = file.root.key_position = {1, 1, index};
    file.root.opened = true;
    return std::nullopt;
  } catch (const toml::parse_error& e) {
    return ConfigError{file.name, position_of(e.source(), index), std::string(e.description()), ""};
  } catch (const std::exception& e) { return ConfigError{file.name, {0, 0, index}, e.what(), ""}; }
}

}  // namespace pipeline
