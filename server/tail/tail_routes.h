// The tail endpoints: /loki/api/v1/tail and the legacy /api/prom/tail.
//
// Life:    from before the server listens until its HTTP server is gone; what it is given outlives it.
// Thread:  loop.
// Answers: 400 with Loki's text for what is wrong with the request, before the connection becomes a WebSocket. Later a
//          close frame with code 1011 says why: too many tails, the longest time of one is over, the history failed.
//          When the server stops, the connection is cut, at which clients come again.
#pragma once

#include <chrono>
#include <memory>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_router.h"
#include "server/api/read_routes.h"
#include "server/ingest/commit_feed.h"
#include "server/query/query_engine.h"
#include "server/query/query_scheduler.h"

namespace server {

// Of entries that wait for one client; twice: unread ones, ready ones.
inline constexpr uint64_t kTailPendingBytes = 16 << 20;

struct TailDoors {
  pipeline::Loop& loop;
  CommitFeed& feed;
  QueryEngine& engine;
  QueryScheduler& scheduler;  // of the histories
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  TenantResolver tenant;
  const LimitTable& limits;  // max_concurrent_tail_requests, tail_max_duration
};

class TailRoutes {
 public:
  TailRoutes(pipeline::HttpRouter& router, TailDoors doors, uint64_t max_pending_bytes = kTailPendingBytes);
  ~TailRoutes();  // every connection is closed before
  TailRoutes(const TailRoutes&) = delete;
  TailRoutes& operator=(const TailRoutes&) = delete;

 private:
  std::shared_ptr<struct TailHouse> house_;
};

}  // namespace server
