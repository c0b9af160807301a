// QueryThread: one thread of queries as the system sees it: what it has worked, and how it lets others come before: the
// loop, queries that have hardly begun, pushes, other programs. Tests have one that counts.
//
// Life:    made by the thread that it is of, for as long as that runs.
// Thread:  that one.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "server/query/work_clock.h"

namespace server {

class QueryThread {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~QueryThread() = default;

  virtual Clock::time_point now() = 0;
  // What was worked since the last lap() or restart() (work_clock.h).
  virtual void restart() = 0;
  virtual std::chrono::nanoseconds lap() = 0;

  // From now on a low priority: others get most of the processor while they want it, and it takes the processor from
  // nobody when it wakes up. For good, since a thread may not take it back without rights.
  void go_to_background();
  bool is_in_background() const { return background_; }

  // Offers the processor; to be called every 100 us or so of work, by one in the background. A thread of low priority
  // that others kept waiting may be owed milliseconds, and until these are used up, or the next tick comes, even one of
  // high priority that wakes up has to wait: here it does without them. Where that has just cost it so much that it
  // was no query that came before, but a busy program, the next ones do nothing, until it has worked for a quarter of
  // that: its low priority alone leaves it a share of a busy machine, giving way at every time would not.
  void give_way();

  static constexpr std::chrono::milliseconds kLongWait{6};  // two queries that have hardly begun take less

 protected:
  virtual void lower_priority() = 0;
  virtual void offer_processor() = 0;
  virtual std::chrono::nanoseconds computed() = 0;  // in all, on a processor

 private:
  bool background_ = false;
  std::chrono::nanoseconds keeps_until_{0};  // of computed()
};

using MakeQueryThread = std::function<std::unique_ptr<QueryThread>()>;

// The calling one.
std::unique_ptr<QueryThread> system_thread();

}  // namespace server
