// PushRules: the limits of a tenant made ready for pushes: what takes time to build is built once.
//
// Thread: any (immutable).
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "pipeline/codec/otlp_entries.h"
#include "server/ingest/level_detector.h"
#include "server/limits/limit_table.h"

namespace server {

class PushRules {
 public:
  explicit PushRules(std::shared_ptr<const TenantLimits> limits);

  uint64_t id() const { return id_; }  // no two objects of this process have the same
  const TenantLimits& limits() const { return *limits_; }
  const LevelDetector& levels() const { return levels_; }
  const pipeline::OtlpMapping& otlp() const { return otlp_; }

 private:
  const uint64_t id_;
  const std::shared_ptr<const TenantLimits> limits_;
  const LevelDetector levels_;
  const pipeline::OtlpMapping otlp_;
};

// The rules of each tenant, as its limits are now. Tenants with the same limits share them.
//
// Thread: any.
class PushRuleBook {
 public:
  enum class Kind { kAsSet, kLifted };  // kLifted: TenantLimits::lifted()

  explicit PushRuleBook(const LimitTable& limits, Kind kind = Kind::kAsSet) : limits_(limits), kind_(kind) {}

  std::shared_ptr<const PushRules> of(std::string_view tenant);

 private:
  struct Known {
    std::shared_ptr<const TenantLimits> limits;  // kept, so that the address stays its own
    std::shared_ptr<const PushRules> rules;
  };
  const LimitTable& limits_;
  const Kind kind_;
  std::mutex mutex_;
  std::unordered_map<const TenantLimits*, Known> known_;  // under mutex_
};

}  // namespace server
