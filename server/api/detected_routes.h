// detected_fields and detected_field/{name}/values: which fields the entries of a query have, from a sample of them.
#pragma once

#include "server/api/read_routes.h"
#include "server/query/query_engine.h"

namespace server {

// The engine outlives the router.
void add_detected_routes(ReadRoutes& routes, QueryEngine& engine);

}  // namespace server
