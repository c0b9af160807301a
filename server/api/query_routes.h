// The read endpoints of Loki: query_range, query, labels, label/{name}/values, series, status/buildinfo; GET and POST
// forms.
//
// Life:    add_query_routes() once, before the server listens; everything it is given outlives the router.
// Thread:  loop; the queries themselves run on the query pool and answer from there. A client that goes away cancels
// its query. Answers: Loki's texts and codes: 400 for what will never work, 499 cancelled, 503 try again, 500
// otherwise.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_router.h"
#include "pipeline/loop/worker_pool.h"
#include "server/query/query_engine.h"

namespace server {

// Sets `tenant`, or answers why the request has none.
using TenantResolver =
    std::function<std::optional<pipeline::HttpResponse>(const pipeline::HttpRequest& request, std::string& tenant)>;

struct QueryRoutesOptions {
  QueryEngine& engine;
  pipeline::WorkerPool& pool;  // the query pool, not the one that ingests
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  TenantResolver tenant;
};

void add_query_routes(pipeline::HttpRouter& router, QueryRoutesOptions options);

}  // namespace server
