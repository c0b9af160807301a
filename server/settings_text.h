// The effective configuration, as `/config` and the limits endpoints show it.
//
// Thread: any.
#pragma once

#include <string>

#include "server/api/limit_texts.h"
#include "server/settings.h"

namespace server {

// A configuration file (TOML) that gives these settings again, every key with its value.
std::string settings_toml(const Settings& settings);

// What Logs Drilldown is told of a tenant's limits, and all of them: Loki's names and units.
LimitTexts drilldown_limits(const TenantLimits& limits);
LimitTexts all_limits(const TenantLimits& limits);

}  // namespace server
