#include "server/query/query_scheduler.h"

#include <algorithm>
#include <sched.h>
#include <thread>
#include <utility>

#include "server/query/scheduler_state.h"
#include "server/query/scheduler_threads.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

struct QueryScheduler::Inside {
  Inside(Options options, MakeQueryThread make_thread) : state(options, std::move(make_thread)) {}

  SchedulerState state;
  SchedulerThreads threads{state};
};

QueryScheduler::QueryScheduler(Options options, MakeQueryThread make_thread)
    : inside_(std::make_unique<Inside>(options, std::move(make_thread))) {}
QueryScheduler::~QueryScheduler() = default;

Result<void> QueryScheduler::submit(std::string tenant, Flag cancelled, Work work) {
  SchedulerState& state = inside_->state;
  SchedulerSection section(state);
  if (state.stopping) return fail(Errc::kCancelled, "the server is stopping");
  auto query = std::make_unique<ScheduledQuery>(
      ScheduledQuery{tenant, std::move(cancelled), std::move(work), QueryThread::Clock::now()});
  query->share.tenant = &state.line.tenant(tenant);
  if (query->share.tenant->waiting >= state.options.max_waiting_per_tenant)
    return fail(Errc::kOverLimit, "too many outstanding requests");
  ++query->share.tenant->waiting;
  state.pending.push_back(std::move(query));
  state.call_threads();
  return {};
}

void QueryScheduler::stop() { inside_->threads.stop(); }

size_t QueryScheduler::running() const {
  std::lock_guard lock(inside_->state.mutex);
  return inside_->state.running;
}

size_t QueryScheduler::waiting() const {
  std::lock_guard lock(inside_->state.mutex);
  return inside_->state.pending.size();
}

size_t QueryScheduler::in_line() const {
  std::lock_guard lock(inside_->state.mutex);
  return inside_->state.line.size();
}

double QueryScheduler::waited_seconds() const {
  return static_cast<double>(inside_->state.waited_ns.load(std::memory_order_relaxed)) / 1e9;
}

std::unique_ptr<pipeline::Registry::Collector> export_metrics(const QueryScheduler& scheduler,
                                                              pipeline::Registry& registry) {
  return registry.collect([&scheduler](pipeline::MetricPage& page) {
    using enum pipeline::MetricType;
    page.add("skidway_server_query_running", "Queries that have begun and not ended.", kGauge, {}, scheduler.running());
    page.add("skidway_server_query_waiting", "Queries that have not begun yet.", kGauge, {}, scheduler.waiting());
    page.add("skidway_server_query_in_line", "Threads of running queries that wait for their turn.", kGauge, {},
             scheduler.in_line());
    page.add("skidway_server_query_waited_seconds_total",
             "Time that queries have waited for others, before they began and at their turns.", kCounter, {},
             scheduler.waited_seconds());
  });
}

size_t usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::max(1U, std::thread::hardware_concurrency());
  return static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace server
