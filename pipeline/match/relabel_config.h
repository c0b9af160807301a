// Relabel rules from configuration tables: [[source.relabel]] with Prometheus' keys.
#pragma once

#include <string_view>

#include "pipeline/config/config.h"
#include "pipeline/match/relabel.h"

namespace pipeline {

// Compiles `owner.tables(key)` in order; faults go to the document of the table, at the rule.
RelabelRules read_relabel_rules(const ConfigTable& owner, std::string_view key);

}  // namespace pipeline
