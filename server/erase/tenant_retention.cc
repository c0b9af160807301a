#include "server/erase/tenant_retention.h"

#include "pipeline/base/log.h"

namespace server {

std::shared_ptr<const RetentionRules> TenantRetention::of(std::string_view tenant) {
  auto limits = limits_.of(tenant);
  std::lock_guard lock(mutex_);
  auto at = tenants_.find(tenant);
  if (at == tenants_.end()) at = tenants_.emplace(std::string(tenant), Compiled()).first;
  Compiled& compiled = at->second;
  if (compiled.from == limits) return compiled.rules;
  RetentionSettings settings{limits->retention_period, {}};
  for (const StreamRetention& stream : limits->retention_stream) {
    if (auto alone = RetentionRules::compile({settings.period, {stream}})) {
      settings.streams.push_back(stream);
    } else {
      pipeline::log_error("retention_stream: a rule is left out", {{"tenant", tenant}, {"error", alone.error()}});
    }
  }
  auto rules = RetentionRules::compile(settings);
  compiled.from = std::move(limits);
  compiled.rules = rules ? std::make_shared<const RetentionRules>(*std::move(rules)) : nullptr;
  return compiled.rules;
}

}  // namespace server
