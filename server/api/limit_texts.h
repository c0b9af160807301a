// The limits of a tenant as clients may read them (Logs Drilldown does): names as in Loki's limits_config.
//
// Thread: any.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace server {

// Name and value, the value as JSON text: 5000, true, "30d1h", ["a","b"]. JSON scalars and lists are YAML too.
using LimitTexts = std::vector<std::pair<std::string, std::string>>;

// {"limits":{...},"pattern_ingester_enabled":true,"version":"3.7.0"}
std::string drilldown_limits_answer(const LimitTexts& limits);
// One `name: value` a line.
std::string limits_yaml(const LimitTexts& limits);

// Which Loki's behaviour this server has; clients choose features by it.
inline constexpr const char* kLokiVersion = "3.7.0";

}  // namespace server
