#include "server/limits/limit_table.h"

#include <mutex>

namespace server {

std::shared_ptr<const TenantLimits> LimitTable::of(std::string_view tenant) const {
  std::shared_lock lock(mutex_);
  auto own = tenants_.find(tenant);
  return own == tenants_.end() ? defaults_ : own->second;
}

void LimitTable::replace(LimitSet set) {
  auto kept = [](const std::shared_ptr<const TenantLimits>& old, TenantLimits limits) {
    return old && *old == limits ? old : std::make_shared<const TenantLimits>(std::move(limits));
  };
  std::lock_guard lock(mutex_);
  defaults_ = kept(defaults_, std::move(set.defaults));
  std::map<std::string, std::shared_ptr<const TenantLimits>, std::less<>> tenants;
  for (auto& [name, limits] : set.tenants) {
    auto old = tenants_.find(name);
    tenants[name] = kept(old == tenants_.end() ? nullptr : old->second, std::move(limits));
  }
  tenants_ = std::move(tenants);
}

std::map<std::string, std::shared_ptr<const TenantLimits>, std::less<>> LimitTable::overrides() const {
  std::shared_lock lock(mutex_);
  return tenants_;
}

}  // namespace server
