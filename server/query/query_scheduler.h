// QueryScheduler: whose turn it is. Queries run on threads of their own, but only `slots` of them compute at once; at
// every page a query asks (QueryTurn::breathe, pause), and gives its slot to another one that has had less.
//
//   QueryScheduler scheduler({.slots = cores});
//   scheduler.submit(tenant, disconnected, [](QueryTurn& turn) { ... engine.range(query, turn) ... });   // on a thread
//
// Who goes first: queries that have had less than 50 ms so far, the one with the least before the others; then the
// tenant whose queries have had the least; of one tenant the query that has had the least. So a cheap query waits for a
// page or two of the heavy ones, however many these are, and a tenant gets its share however many queries others send.
// In its first 3 ms a query does not even wait for a page to end: there are twice as many slots again for such
// beginners, and threads of queries that have had 3 ms run in the background (query_thread.h). What a query has had is
// work, not time that went by. Every sixteenth slot goes to who waits longest, so that many cheap
// queries do not stop a heavy one for ever.
//
// Life:    stop() (or the destructor) ends running queries with kCancelled, calls those that wait with a turn that says
//          so, and joins the threads.
// Thread:  any; stop(), destruction: not one of its own threads.
// Limits:  Options. Threads are made by one of their own, the steward, which has the priority of the thread that made
//          the scheduler; two more than are needed while there are queries. They end when idle for ten seconds, and
//          with their query when in the background.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "pipeline/base/unique_function.h"
#include "server/query/query_thread.h"
#include "server/query/query_turn.h"

namespace server {

class QueryScheduler {
 public:
  struct Options {
    size_t slots = 2;                      // threads that compute at once
    size_t max_running = 64;               // queries that have begun; the others wait, fair by tenant
    size_t max_waiting_per_tenant = 2048;  // beyond it submit() refuses
  };
  using Work = pipeline::UniqueFunction<void(QueryTurn& turn)>;
  using Flag = std::shared_ptr<const std::atomic<bool>>;

  // `make_thread` is called on each thread.
  explicit QueryScheduler(Options options, MakeQueryThread make_thread = system_thread);
  ~QueryScheduler();
  QueryScheduler(const QueryScheduler&) = delete;
  QueryScheduler& operator=(const QueryScheduler&) = delete;

  // `work` is called exactly once, also when `cancelled` is set meanwhile or the scheduler stops: its turn says so.
  // kOverLimit: the tenant has too many waiting; `work` will not be called.
  pipeline::Result<void> submit(std::string tenant, Flag cancelled, Work work);
  void stop();  // may be called twice

  size_t running() const;         // begun and not ended
  size_t waiting() const;         // not yet begun
  size_t in_line() const;         // threads of those that have begun, waiting for a slot
  double waited_seconds() const;  // of all queries so far: before they began and in line

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// How many run and wait, and how long they have waited.
std::unique_ptr<pipeline::Registry::Collector> export_metrics(const QueryScheduler& scheduler,
                                                              pipeline::Registry& registry);

// Processors that this process may use: at least 1.
size_t usable_processors();

}  // namespace server
