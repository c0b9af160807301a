// Endpoints that read no data: format_query, status/buildinfo, the limits of a tenant (drilldown-limits,
// config/tenant/v1/limits), config, services, and what Grafana probes to learn about rules.
//
// Life:    add_status_routes() once, before the server listens.
// Thread:  loop.
#pragma once

#include "server/api/read_routes.h"
#include "server/api/tenant_limits.h"

namespace server {

struct StatusRoutesOptions {
  TenantLimits limits;
  std::string config;  // the effective configuration, as `/config` shows it
};

void add_status_routes(pipeline::HttpRouter& router, ReadRoutes& routes, StatusRoutesOptions options);

}  // namespace server
