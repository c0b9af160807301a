// The keys of `[limits]`: one table of names and members, from which limits are read and shown.
//
// Thread: any.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "server/limits/tenant_limits.h"

namespace server {

struct CountLimit {
  uint64_t TenantLimits::*member;
};
struct SizeLimit {
  uint64_t TenantLimits::*member;  // bytes
};
struct TimeLimit {
  pipeline::UnixNanos TenantLimits::*member;  // RFC 3339; "" = 0
};
using LimitMember = std::variant<CountLimit, SizeLimit, TimeLimit, bool TenantLimits::*, double TenantLimits::*,
                                 std::string TenantLimits::*, std::chrono::nanoseconds TenantLimits::*,
                                 std::vector<std::string> TenantLimits::*>;

struct LimitKey {
  std::string_view name;
  LimitMember member;
};

// All but `otlp_config` and `retention_stream`, in the order of TenantLimits.
std::span<const LimitKey> limit_keys();

}  // namespace server
