#include "pipeline/config/value_check.h"

#include "pipeline/base/concat.h"

namespace pipeline {

namespace {

std::string_view kind_word(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::kString: return "string";
    case ConfigKind::kInteger:
    case ConfigKind::kNumber: return "number";
    case ConfigKind::kBoolean: return "bool";
    case ConfigKind::kArray: return "array";
    case ConfigKind::kTable: return "object";
    case ConfigKind::kTime: return "time";
    case ConfigKind::kAbsent: break;
  }
  return "null";
}

// What to write instead, for a value that is no `wanted`.
std::string remedy(const ConfigValue& value, std::string_view wanted) {
  const bool scalar = value.kind != ConfigKind::kArray && value.kind != ConfigKind::kTable;
  if (wanted == "string") {
    return scalar && value.kind != ConfigKind::kString ? concat("write it in quotes: \"", value.text, "\"")
                                                       : "write one text in quotes";
  }
  if (wanted == "array") return scalar ? concat("write it in brackets: [", value.text, "]") : "write a list: [\"...\"]";
  if (wanted == "object") return "write a table: { name = \"...\" }";
  if (wanted == "bool") return "write true or false, without quotes";
  return "write a number without quotes";
}

bool check(const ConfigTable& table, std::string_view key, const ConfigValue& value, std::string_view wanted) {
  if (kind_word(value.kind) == wanted) return true;
  table.error_at(key, concat(key, ": ", value.text, " should be ", wanted, ", got ", kind_word(value.kind)),
                 remedy(value, wanted));
  return false;
}

}  // namespace

bool check_kind(const ConfigTable& table, std::string_view key, std::string_view wanted) {
  return !table.has(key) || check(table, key, table.value(key), wanted);
}

bool check_element_kinds(const ConfigTable& table, std::string_view key, std::string_view wanted) {
  for (const ConfigValue& element : table.elements(key)) {
    if (!check(table, key, element, wanted)) return false;
  }
  return true;
}

}  // namespace pipeline
