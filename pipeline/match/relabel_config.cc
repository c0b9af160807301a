#include "pipeline/match/relabel_config.h"

#include "pipeline/config/value_check.h"

namespace pipeline {

namespace {

RelabelConfig read_rule(const ConfigTable& table) {
  RelabelConfig config;
  table.name_unknown_keys("unrecognized attribute name");
  auto read_text = [&](std::string_view key, std::string& out) {
    if (check_kind(table, key, "string")) out = table.string(key, out);
  };
  if (check_kind(table, "source_labels", "array") && check_element_kinds(table, "source_labels", "string")) {
    config.source_labels = table.strings("source_labels");
  }
  if (check_kind(table, "modulus", "number")) config.modulus = static_cast<uint64_t>(table.integer("modulus", 0, 0));
  read_text("separator", config.separator);
  read_text("regex", config.regex);
  read_text("target_label", config.target_label);
  read_text("replacement", config.replacement);
  read_text("action", config.action);
  return config;
}

}  // namespace

RelabelRules read_relabel_rules(const ConfigTable& owner, std::string_view key) {
  std::vector<RelabelRule> rules;
  for (const ConfigTable& table : owner.tables(key)) {
    Result<RelabelRule> rule = RelabelRule::compile(read_rule(table));
    if (rule) {
      rules.push_back(*std::move(rule));
    } else {
      table.error(rule.error().message);
    }
  }
  return RelabelRules(std::move(rules));
}

}  // namespace pipeline
