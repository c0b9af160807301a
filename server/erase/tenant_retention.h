// TenantRetention: the retention rules of every tenant as the limits have them now (retention_period and
// retention_stream), compiled once for each change.
//
// Life: the limits outlive it. Thread: any. Errors: a selector that is none (of an overrides file) is logged once; the
// tenant's other rules count.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "server/erase/retention_rules.h"
#include "server/limits/limit_table.h"

namespace server {

class TenantRetention {
 public:
  explicit TenantRetention(const LimitTable& limits) : limits_(limits) {}

  std::shared_ptr<const RetentionRules> of(std::string_view tenant);

 private:
  struct Compiled {
    std::shared_ptr<const TenantLimits> from;
    std::shared_ptr<const RetentionRules> rules;
  };
  const LimitTable& limits_;
  std::mutex mutex_;
  std::map<std::string, Compiled, std::less<>> tenants_;  // under mutex_
};

}  // namespace server
