// query_range and query, also under their legacy name (api/prom/query).
//
// Life:    add_query_routes() once, before the server listens; the engine outlives the router.
// Thread:  loop; the queries themselves run on the query pool and answer from there. A client that goes away cancels
//          its query.
#pragma once

#include "server/api/read_routes.h"
#include "server/query/query_engine.h"

namespace server {

void add_query_routes(ReadRoutes& routes, QueryEngine& engine);

}  // namespace server
