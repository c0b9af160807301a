// labels, label/{name}/values, series, also under their legacy names (api/prom/...), and detected_labels: what is known
// of streams from directories and the head alone.
#pragma once

#include "server/api/read_routes.h"
#include "server/query/query_engine.h"

namespace server {

// The engine outlives the router.
void add_label_routes(ReadRoutes& routes, QueryEngine& engine);

}  // namespace server
