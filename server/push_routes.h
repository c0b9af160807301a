// The paths that take entries, and what clients of these protocols ask beside them.
//
//   /loki/api/v1/push, /api/prom/push      Loki
//   /otlp/v1/logs                          OTLP with Loki's answers;  /v1/logs: with those of OTLP/HTTP
//   /elasticsearch/_bulk, /elasticsearch/{index}/_bulk      Elasticsearch, and the questions its clients begin with
//   /api/v1/jsonl                          JSON lines
//
// Thread: loop.
#pragma once

#include "pipeline/http/http_router.h"
#include "server/api/read_routes.h"
#include "server/ingest/ingest.h"

namespace server {

// `ingest` outlives the router.
void add_push_routes(pipeline::HttpRouter& router, Ingest& ingest, TenantResolver tenant);

}  // namespace server
