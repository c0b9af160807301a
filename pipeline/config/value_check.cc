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

bool check(const ConfigTable& table, std::string_view key, const ConfigValue& value, std::string_view wanted) {
  if (kind_word(value.kind) == wanted) return true;
  table.error_at(key, concat(value.text, " should be ", wanted, ", got ", kind_word(value.kind)));
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
