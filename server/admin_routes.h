// What operators and probes ask: /ready, /metrics, /flush, /compact.
#pragma once

#include "pipeline/base/metrics.h"
#include "pipeline/http/http_router.h"
#include "pipeline/loop/worker_pool.h"
#include "server/catalog/catalog.h"
#include "server/compact/compactor.h"
#include "server/ingest/ingest.h"
#include "server/store/awaited_store.h"

namespace server {

struct AdminRoutesOptions {
  Ingest& ingest;
  Compactor& compactor;
  Catalog& catalog;
  const AwaitedStore& store;
  pipeline::WorkerPool& pool;  // metrics are rendered there: some are read from disk
  pipeline::Registry& registry;
};

// Everything in `options` outlives the router. Adds skidway_server_store_live_bytes and others of the store.
void add_admin_routes(pipeline::HttpRouter& router, AdminRoutesOptions options);

}  // namespace server
