// Endpoints that read no data: format_query, status/buildinfo, the limits of a tenant (drilldown-limits,
// config/tenant/v1/limits), config, services, and what Grafana probes to learn about rules.
//
// Life:    add_status_routes() once, before the server listens.
// Thread:  loop.
#pragma once

#include <functional>

#include "server/api/limit_texts.h"
#include "server/api/read_routes.h"

namespace server {

struct StatusRoutesOptions {
  // The limits of a tenant, as Logs Drilldown wants them and all of them.
  std::function<LimitTexts(std::string_view tenant)> drilldown_limits, all_limits;
  std::string config;  // the effective configuration, as `/config` shows it
};

void add_status_routes(pipeline::HttpRouter& router, ReadRoutes& routes, StatusRoutesOptions options);

}  // namespace server
