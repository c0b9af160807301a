// The effective configuration, as `/config` and the limits endpoints show it.
//
// Thread: any.
#pragma once

#include <string>

#include "server/api/tenant_limits.h"
#include "server/settings.h"

namespace server {

// A configuration file (TOML) that gives these settings again, every key with its value.
std::string settings_toml(const Settings& settings);

// What Loki publishes of limits_config, in its units.
TenantLimits tenant_limits(const Settings& settings);

}  // namespace server
