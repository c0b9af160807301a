// Limits in configuration files: `[limits]` with the defaults of all tenants, `[limits.tenant.NAME]` with what is
// otherwise for one, and a file of overrides that may change while the server runs:
//
//   [limits]
//   max_line_size = "256KB"
//   overrides_file = "/etc/skidway/tenants.toml"   # read anew when it changes
//   overrides_period = "10s"
//   [limits.tenant.team-a]
//   max_line_size = "1MB"
//
// The overrides file consists of `[limits.tenant.NAME]` tables alone. A tenant's limits are the defaults, changed by
// its table in the configuration, changed by its table in the overrides; lists replace lists.
//
// Errors:  an unknown key, with the nearest one; a value out of range; an OTLP rule that is none.
// Thread:  any.
#pragma once

#include <map>
#include <string>

#include "pipeline/config/config.h"
#include "server/limits/tenant_limits.h"

namespace server {

struct LimitSet {
  TenantLimits defaults;
  std::map<std::string, TenantLimits, std::less<>> tenants;  // whole limits, not differences
};

struct LimitSettings {
  LimitSet set;
  std::string overrides_file;  // "": none
  std::chrono::nanoseconds overrides_period = std::chrono::seconds(10);
};

// Of the table [limits]; `defaults` are those of what it does not say.
LimitSettings read_limit_settings(pipeline::ConfigTable table, TenantLimits defaults = {});

// The limits with the overrides of the file, if one is named. kNotFound, kIo: the file. kInvalid: every error of it,
// one a line.
pipeline::Result<LimitSet> with_overrides(const LimitSettings& settings);

}  // namespace server
