#include "pipeline/match/relabel_config.h"

namespace pipeline {

RelabelRules read_relabel_rules(const ConfigTable& owner, std::string_view key) {
  std::vector<RelabelRule> rules;
  for (const ConfigTable& table : owner.tables(key)) {
    RelabelConfig config;
    if (table.kind("source_labels") == ConfigKind::kString) {
      table.error_at("source_labels", "should be array, got string", "write source_labels = [\"...\"]");
    }
    config.source_labels = table.strings("source_labels");
    config.separator = table.string("separator", config.separator);
    config.regex = table.string("regex", config.regex);
    config.modulus = static_cast<uint64_t>(table.integer("modulus", 0, 0));
    config.target_label = table.string("target_label");
    config.replacement = table.string("replacement", config.replacement);
    config.action = table.string("action", config.action);
    Result<RelabelRule> rule = RelabelRule::compile(config);
    if (rule) {
      rules.push_back(*std::move(rule));
    } else {
      table.error(rule.error().message);
    }
  }
  return RelabelRules(std::move(rules));
}

}  // namespace pipeline
