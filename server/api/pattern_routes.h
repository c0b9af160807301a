// patterns: templates of the lines of a selector over time. What single objects gave is noted in the catalogue.
#pragma once

#include "server/api/read_routes.h"
#include "server/catalog/catalog.h"
#include "server/query/query_engine.h"

namespace server {

// Engine and catalogue outlive the router.
void add_pattern_routes(ReadRoutes& routes, QueryEngine& engine, Catalog& catalog);

// {"status":"success","data":[{"pattern":"<_> level=info","level":"info","samples":[[1711839260,1]]}]}
std::string patterns_answer(const std::vector<PatternSeries>& patterns);

}  // namespace server
