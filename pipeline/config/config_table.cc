#include <algorithm>
#include <charconv>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/config/config_node.h"

namespace pipeline {

namespace {

std::string_view kind_text(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::kAbsent: return "nothing";
    case ConfigKind::kString: return "a string";
    case ConfigKind::kInteger: return "an integer";
    case ConfigKind::kNumber: return "a decimal number";
    case ConfigKind::kBoolean: return "a boolean";
    case ConfigKind::kTime: return "a date or time";
    case ConfigKind::kArray: return "an array";
    case ConfigKind::kTable: return "a table";
  }
  return "";
}

std::string quoted(std::string_view text) { return concat("\"", text, "\""); }

void append_value(std::string& out, const ConfigNode& node) {
  switch (node.kind) {
    case ConfigKind::kAbsent: return;
    case ConfigKind::kString: out += quoted(node.text); return;
    case ConfigKind::kTime: out += node.text; return;
    case ConfigKind::kInteger: out += std::to_string(node.integer); return;
    case ConfigKind::kBoolean: out += node.boolean ? "true" : "false"; return;
    case ConfigKind::kNumber: {
      char buffer[40];
      out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, node.number).ptr);
      return;
    }
    default: break;
  }
  const bool is_array = node.kind == ConfigKind::kArray;
  out += is_array ? '[' : '{';
  for (const auto& child : node.children) {
    if (child != node.children.front()) out += ", ";
    if (!is_array) out += concat(quoted(child->key), " = ");
    append_value(out, *child);
  }
  out += is_array ? ']' : '}';
}

ConfigValue value_of(const ConfigNode& node) {
  ConfigValue value{node.kind, {}};
  append_value(value.text, node);
  return value;
}

void append_canonical(std::string& out, const ConfigNode& node) {
  out += concat(node.key.size(), ":", node.key, "=", static_cast<int>(node.kind), ";", node.text.size(), ":", node.text,
                ";", node.integer, ";", node.boolean ? 1 : 0, ";", std::to_string(node.number), "{");
  for (const auto& child : node.children) append_canonical(out, *child);
  out += "}";
}

constexpr std::string_view kString = "a string", kStrings = "a string or an array of strings";

}  // namespace

ConfigNode* ConfigTable::find(std::string_view key) const {
  node_->opened = true;
  if (std::find(node_->asked.begin(), node_->asked.end(), key) == node_->asked.end()) node_->asked.emplace_back(key);
  return node_->child(key);
}

// The node if it is of this kind; null if it is absent, or of another kind, which is an error.
ConfigNode* ConfigTable::find(std::string_view key, ConfigKind kind, std::string_view wanted) const {
  ConfigNode* node = find(key);
  if (node == nullptr || node->kind == kind) return node;
  wrong_kind(key, *node, wanted);
  return nullptr;
}

void ConfigTable::wrong_kind(std::string_view key, const ConfigNode& got, std::string_view wanted) const {
  state_->add_error(got.position, concat(quoted(key), " must be ", wanted, ", got ", kind_text(got.kind)), "");
}

bool ConfigTable::has(std::string_view key) const { return find(key) != nullptr; }

ConfigKind ConfigTable::kind(std::string_view key) const {
  const ConfigNode* node = find(key);
  return node == nullptr ? ConfigKind::kAbsent : node->kind;
}

std::string ConfigTable::string(std::string_view key, std::string_view otherwise) const {
  const ConfigNode* node = find(key, ConfigKind::kString, kString);
  return node == nullptr ? std::string(otherwise) : node->text;
}

std::string ConfigTable::required_string(std::string_view key) const {
  const ConfigNode* node = find(key);
  if (node == nullptr) {
    error(concat(quoted(key), " is missing in ", title()), concat("add ", key, " = \"...\""));
    return "";
  }
  if (node->kind != ConfigKind::kString) {
    wrong_kind(key, *node, kString);
    return "";
  }
  if (node->text.empty()) error_at(key, concat(quoted(key), " must not be empty"));
  return node->text;
}

std::optional<std::string> ConfigTable::find_string(std::string_view key) const {
  const ConfigNode* node = find(key, ConfigKind::kString, kString);
  if (node == nullptr) return std::nullopt;
  return node->text;
}

std::string ConfigTable::choice(std::string_view key, std::string_view otherwise,
                                std::initializer_list<std::string_view> allowed) const {
  const ConfigNode* node = find(key, ConfigKind::kString, kString);
  if (node == nullptr) return std::string(otherwise);
  if (std::find(allowed.begin(), allowed.end(), node->text) != allowed.end()) return node->text;
  std::vector<std::string> words(allowed.begin(), allowed.end());
  std::string list;
  for (const std::string& word : words) list += concat(list.empty() ? "" : ", ", word);
  std::string_view near = nearest_word(node->text, words);
  error_at(key, concat(quoted(key), " must be one of ", list, ", got ", quoted(node->text)),
           near.empty() ? "" : concat("did you mean ", quoted(near), "?"));
  return std::string(otherwise);
}

bool ConfigTable::boolean(std::string_view key, bool otherwise) const {
  const ConfigNode* node = find(key, ConfigKind::kBoolean, "true or false");
  return node == nullptr ? otherwise : node->boolean;
}

int64_t ConfigTable::integer(std::string_view key, int64_t otherwise, int64_t min, int64_t max) const {
  const ConfigNode* node = find(key, ConfigKind::kInteger, "an integer");
  if (node == nullptr) return otherwise;
  if (node->integer >= min && node->integer <= max) return node->integer;
  std::string bounds = max == std::numeric_limits<int64_t>::max()   ? concat("at least ", min)
                       : min == std::numeric_limits<int64_t>::min() ? concat("at most ", max)
                                                                    : concat("between ", min, " and ", max);
  error_at(key, concat(quoted(key), " must be ", bounds, ", got ", node->integer));
  return otherwise;
}

double ConfigTable::number(std::string_view key, double otherwise) const {
  const ConfigNode* node = find(key);
  if (node == nullptr) return otherwise;
  if (node->kind == ConfigKind::kInteger) return static_cast<double>(node->integer);
  if (node->kind == ConfigKind::kNumber) return node->number;
  wrong_kind(key, *node, "a number");
  return otherwise;
}

std::chrono::nanoseconds ConfigTable::duration(std::string_view key, std::chrono::nanoseconds otherwise) const {
  const ConfigNode* node = find(key);
  if (node == nullptr) return otherwise;
  if (node->kind != ConfigKind::kString) {
    std::string remedy = node->kind == ConfigKind::kInteger && node->integer >= 0
                             ? concat("write \"", node->integer, "s\" if seconds are meant")
                             : std::string();
    error_at(key, concat(quoted(key), " must be a duration such as \"1s\", got ", kind_text(node->kind)), remedy);
    return otherwise;
  }
  auto parsed = parse_duration(node->text);
  if (!parsed) {
    error_at(key, concat(quoted(key), " must be a duration such as \"1s\": ", parsed.error().message));
    return otherwise;
  }
  if (*parsed < std::chrono::nanoseconds(0)) {
    error_at(key, concat(quoted(key), " must not be negative, got ", quoted(node->text)));
    return otherwise;
  }
  return *parsed;
}

uint64_t ConfigTable::size(std::string_view key, uint64_t otherwise) const {
  const ConfigNode* node = find(key);
  if (node == nullptr) return otherwise;
  if (node->kind == ConfigKind::kInteger && node->integer >= 0) return static_cast<uint64_t>(node->integer);
  if (node->kind == ConfigKind::kInteger) {
    error_at(key, concat(quoted(key), " must not be negative, got ", node->integer));
    return otherwise;
  }
  if (node->kind != ConfigKind::kString) {
    wrong_kind(key, *node, "a size such as \"64KiB\"");
    return otherwise;
  }
  auto parsed = parse_size(node->text);
  if (parsed) return *parsed;
  error_at(key, concat(quoted(key), " must be a size such as \"64KiB\": ", parsed.error().message));
  return otherwise;
}

std::vector<std::string> ConfigTable::strings(std::string_view key) const {
  const ConfigNode* node = find(key);
  if (node == nullptr) return {};
  if (node->kind == ConfigKind::kString) return {node->text};
  std::vector<std::string> out;
  if (node->kind != ConfigKind::kArray) {
    wrong_kind(key, *node, kStrings);
    return out;
  }
  for (const auto& element : node->children) {
    if (element->kind == ConfigKind::kString) {
      out.push_back(element->text);
    } else {
      wrong_kind(key, *element, kStrings);
    }
  }
  return out;
}

std::vector<double> ConfigTable::numbers(std::string_view key) const {
  constexpr std::string_view kNumbers = "an array of numbers";
  std::vector<double> out;
  const ConfigNode* node = find(key, ConfigKind::kArray, kNumbers);
  if (node == nullptr) return out;
  for (const auto& element : node->children) {
    if (element->kind == ConfigKind::kInteger) {
      out.push_back(static_cast<double>(element->integer));
    } else if (element->kind == ConfigKind::kNumber) {
      out.push_back(element->number);
    } else {
      wrong_kind(key, *element, kNumbers);
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> ConfigTable::string_map(std::string_view key) const {
  std::vector<std::pair<std::string, std::string>> out;
  ConfigNode* node = find(key, ConfigKind::kTable, "a table of strings");
  if (node == nullptr) return out;
  node->free_form = true;
  for (const auto& child : node->children) {
    if (child->kind == ConfigKind::kString) {
      out.emplace_back(child->key, child->text);
    } else {
      wrong_kind(child->key, *child, concat("a string in ", node->title));
    }
  }
  return out;
}

ConfigTable ConfigTable::table(std::string_view key) const {
  ConfigNode* node = find(key, ConfigKind::kTable, "a table");
  if (node == nullptr) {
    auto empty = std::make_unique<ConfigNode>();
    empty->position = empty->key_position = node_->position;
    empty->title = concat("[", key, "]");
    node = state_->absent.emplace_back(std::move(empty)).get();
  }
  node->opened = true;
  return ConfigTable(state_, node);
}

std::vector<ConfigTable> ConfigTable::tables(std::string_view key) const {
  std::vector<ConfigTable> out;
  auto add = [&](ConfigNode& node) {
    node.opened = true;
    out.push_back(ConfigTable(state_, &node));
  };
  ConfigNode* node = find(key);
  if (node == nullptr) return out;
  const std::string wanted = concat("one or more tables ([[", key, "]])");
  if (node->kind == ConfigKind::kTable) {
    add(*node);
  } else if (node->kind != ConfigKind::kArray) {
    wrong_kind(key, *node, wanted);
  } else {
    for (const auto& element : node->children) {
      if (element->kind == ConfigKind::kTable) {
        add(*element);
      } else {
        wrong_kind(key, *element, wanted);
      }
    }
  }
  return out;
}

ConfigValue ConfigTable::value(std::string_view key) const {
  const ConfigNode* node = find(key);
  return node == nullptr ? ConfigValue() : value_of(*node);
}

std::vector<ConfigValue> ConfigTable::elements(std::string_view key) const {
  std::vector<ConfigValue> out;
  if (const ConfigNode* node = find(key)) {
    for (const auto& child : node->children) out.push_back(value_of(*child));
  }
  return out;
}

std::vector<std::string> ConfigTable::keys() const {
  std::vector<std::string> out;
  for (const auto& child : node_->children) out.push_back(child->key);
  return out;
}

std::string ConfigTable::canonical(std::string_view key) const {
  std::string out;
  if (const ConfigNode* node = node_->child(key)) append_canonical(out, *node);
  return out;
}

bool ConfigTable::present() const { return node_->kind == ConfigKind::kTable; }
void ConfigTable::ignore_rest() const { node_->free_form = true; }
void ConfigTable::name_unknown_keys(std::string_view what) const { node_->unknown_name = what; }
std::string ConfigTable::place() const {
  return concat(state_->files[node_->position.file]->name, ":", node_->position.line, ":", node_->position.column);
}

std::string ConfigTable::title() const { return node_->title; }

void ConfigTable::error_at(std::string_view key, std::string what, std::string remedy) const {
  const ConfigNode* node = node_->child(key);
  state_->add_error(node != nullptr ? node->position : node_->position, std::move(what), std::move(remedy));
}

void ConfigTable::error(std::string what, std::string remedy) const {
  state_->add_error(node_->position, std::move(what), std::move(remedy));
}

}  // namespace pipeline
