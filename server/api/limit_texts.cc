#include "server/api/limit_texts.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;

std::string drilldown_limits_answer(const LimitTexts& limits) {
  std::string out = R"({"limits":{)";
  for (const auto& [name, value] : limits) out += concat(out.back() == '{' ? "\"" : ",\"", name, "\":", value);
  return out += concat(R"(},"pattern_ingester_enabled":true,"version":")", kLokiVersion, "\"}\n");
}

std::string limits_yaml(const LimitTexts& limits) {
  std::string out;
  for (const auto& [name, value] : limits) out += concat(name, ": ", value, "\n");
  return out;
}

}  // namespace server
