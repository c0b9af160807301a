// QuerySeat: one thread's place in one query, and so the QueryTurn that the query sees: it waits for a slot of the
// scheduler, hands it on to who is to go first, and tells what its thread has worked.
//
// Life:    of one query, or of the help of one thread with the parts of a query; gives its slot back when it ends.
// Thread:  the one it is of; take_slot() and bell(): any, under the mutex of the scheduler.
#pragma once

#include "server/query/query_turn.h"
#include "server/query/scheduler_state.h"

namespace server {

class QuerySeat final : public QueryTurn {
 public:
  using Clock = QueryThread::Clock;

  // `crew`: it helps; nullptr: it runs the query.
  QuerySeat(SchedulerState& state, ScheduledQuery& query, QueryThread& thread, Clock::time_point waits_since,
            const QueryCrew* crew = nullptr)
      : state_(state), query_(query), crew_(crew), thread_(thread), waits_since_(waits_since) {}
  ~QuerySeat() override;

  pipeline::Result<void> breathe() override;
  void pause() override;
  size_t width() const override { return state_.options.slots; }
  double waited_seconds() const override { return std::chrono::duration<double>(waited_).count(); }
  void run_parts(size_t count, const Part& part) override;

  // False: there is nothing to help with any more. Once begun, a helper ends its part whoever waits for it.
  bool begin_to_help();

  // --- for the scheduler
  void take_slot(bool as_beginner) { holds_ = true, as_beginner_ = as_beginner; }
  const SchedulerState::Bell& bell() const { return granted_; }  // rung when it has one, or is over
  // It need not wait any longer: its client went away, or nobody needs its help.
  bool gives_up() const;

 private:
  pipeline::Result<void> look();
  pipeline::Result<void> acquire(SchedulerSection& section);
  void release();
  void charge(std::chrono::nanoseconds worked);
  void count_wait();
  void settle();
  bool is_calm() const;
  void wait_for(QueryCrew& crew);

  SchedulerState& state_;
  ScheduledQuery& query_;
  const QueryCrew* const crew_;  // of a helper
  QueryThread& thread_;
  bool heavy_ = false;        // it has had so much that the thread belongs in the background
  bool helps_ = false;        // has begun to
  bool holds_ = false;        // a slot; set under the mutex
  bool as_beginner_ = false;  // one of those for beginners; likewise
  Clock::time_point looked_, paused_;
  Clock::time_point waits_since_;
  Clock::duration waited_{0};
  const SchedulerState::Bell granted_ = std::make_shared<std::condition_variable>();
};

}  // namespace server
