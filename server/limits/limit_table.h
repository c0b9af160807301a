// LimitTable: the limits of every tenant as they are now. Who asks gets an immutable copy to hold as long as one
// request takes; a later request may get others.
//
// Thread:  any.
#pragma once

#include <memory>
#include <shared_mutex>

#include "server/limits/limit_settings.h"

namespace server {

class LimitTable {
 public:
  explicit LimitTable(LimitSet set = {}) { replace(std::move(set)); }

  // Never null. The same object as before where nothing changed, so pointers tell whether limits are the same.
  std::shared_ptr<const TenantLimits> of(std::string_view tenant) const;

  void replace(LimitSet set);
  // The tenants that have limits of their own.
  std::map<std::string, std::shared_ptr<const TenantLimits>, std::less<>> overrides() const;

 private:
  mutable std::shared_mutex mutex_;
  std::shared_ptr<const TenantLimits> defaults_;                                     // under mutex_
  std::map<std::string, std::shared_ptr<const TenantLimits>, std::less<>> tenants_;  // under mutex_
};

}  // namespace server
