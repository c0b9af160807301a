#include "server/api/tenant_limits.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;

std::string drilldown_limits_answer(const TenantLimits& limits) {
  std::string out = R"({"limits":{)";
  for (const auto& [name, value] : limits) out += concat(out.back() == '{' ? "\"" : ",\"", name, "\":", value);
  return out += concat(R"(},"pattern_ingester_enabled":true,"version":")", kLokiVersion, "\"}\n");
}

std::string limits_yaml(const TenantLimits& limits) {
  std::string out;
  for (const auto& [name, value] : limits) out += concat(name, ": ", value, "\n");
  return out;
}

}  // namespace server
