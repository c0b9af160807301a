// SchedulerThreads: the threads that queries run on, and the one that makes and joins them, the steward. It has the
// priority of the thread that made it: one that a thread in the background made would be in the background itself, and
// who joins one waits for it. It also looks after those who wait: their clients may have gone away.
//
// Life:    stop() (or the destructor) waits until all have ended; what is pending then is called, its turn says why.
// Thread:  stop(), destruction: not one of its own.
#pragma once

#include <list>
#include <thread>

#include "server/query/scheduler_state.h"

namespace server {

class SchedulerThreads {
 public:
  explicit SchedulerThreads(SchedulerState& state) : state_(state), steward_([this] { steward_loop(); }) {}
  ~SchedulerThreads() { stop(); }
  SchedulerThreads(const SchedulerThreads&) = delete;
  SchedulerThreads& operator=(const SchedulerThreads&) = delete;

  void stop();  // may be called twice

 private:
  using Place = std::list<std::thread>::iterator;

  void steward_loop();
  void make_one(std::unique_lock<std::mutex>& lock);
  void look_around();
  void work_loop(Place self);
  void run_query(std::unique_ptr<ScheduledQuery> query, QueryThread& thread, SchedulerSection& section);
  void run_help(const std::shared_ptr<QueryCrew>& crew, QueryThread& thread, SchedulerSection& section);

  SchedulerState& state_;
  std::thread steward_;
};

}  // namespace server
