// index/stats, index/volume, index/volume_range: what a query would have to read, and who wrote how much.
#pragma once

#include "server/api/read_routes.h"
#include "server/query/query_engine.h"

namespace server {

// The engine outlives the router.
void add_volume_routes(ReadRoutes& routes, QueryEngine& engine);

}  // namespace server
