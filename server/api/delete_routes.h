// /loki/api/v1/delete: PUT and POST accept a request to delete, GET shows them and their receipts, DELETE cancels one.
//
// A request is in force when it is answered: everything acknowledged before is flushed first, so that it is touched.
// 503 while what an earlier run left in the log is not in objects: it would come back. Thread: handlers begin on the
// loop, and work on the pool and on ingest's own threads.
#pragma once

#include <functional>

#include "pipeline/base/clock.h"
#include "pipeline/base/unique_function.h"
#include "pipeline/http/http_router.h"
#include "pipeline/loop/worker_pool.h"
#include "server/api/read_routes.h"
#include "server/compact/delete_keeper.h"

namespace server {

struct DeleteRoutesOptions {
  DeleteKeeper& keeper;
  Catalog& catalog;
  pipeline::WorkerPool& pool;
  const pipeline::Clock& clock;
  TenantResolver tenant;
  // Makes everything acknowledged until now an object; the answer comes once, on any thread.
  std::function<void(pipeline::UniqueFunction<void(pipeline::Result<void>)>)> flush;
  std::function<void()> roll_log;  // what was flushed leaves the write-ahead log
  std::function<bool(std::string_view tenant)> may_delete;
};

// Everything in `options` outlives the router.
void add_delete_routes(pipeline::HttpRouter& router, DeleteRoutesOptions options);

}  // namespace server
