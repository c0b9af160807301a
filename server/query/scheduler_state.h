// SchedulerState: the inside of QueryScheduler, that its threads share: what has been submitted, who waits in line, how
// many slots are free, what there is for threads to do. The threads themselves are in scheduler_threads.h, their places
// in queries in query_seat.h.
//
// Thread:  any; all but the atomics and `options` under the mutex, with a Section or a plain lock.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/query/query_line.h"
#include "server/query/query_scheduler.h"
#include "server/query/query_thread.h"

namespace server {

class QuerySeat;

struct ScheduledQuery {
  std::string tenant;
  QueryScheduler::Flag cancelled;
  QueryScheduler::Work work;
  QueryThread::Clock::time_point submitted;
  QueryShare share = {};
};

// The threads that work on one run_parts().
struct QueryCrew {
  ScheduledQuery& query;
  const QueryTurn::Part& part;  // valid while open or active > 0
  const size_t count;
  std::atomic<size_t> next{0};
  bool open = true;   // under the mutex
  size_t active = 0;  // under the mutex: helpers in it
  std::condition_variable ended;
};

struct SchedulerState {
  using Options = QueryScheduler::Options;
  using Bell = std::shared_ptr<std::condition_variable>;
  using Pending = std::deque<std::unique_ptr<ScheduledQuery>>;

  SchedulerState(Options given, MakeQueryThread make_thread);

  const Options options;
  const MakeQueryThread make_thread;
  std::atomic<bool> stopping{false};
  std::atomic<bool> hurry{false};    // somebody in line has hardly begun
  std::atomic<bool> company{false};  // more than one query has begun
  std::atomic<int64_t> waited_ns{0};

  mutable std::mutex mutex;
  std::condition_variable wake;                  // threads without work
  std::condition_variable wake_steward;          //
  QueryLine line;                                // under mutex, with all that follows
  size_t free_slots;                             //
  size_t beginners = 0;                          // slots beyond those, for queries that have hardly begun
  Pending pending;                               //
  std::deque<std::shared_ptr<QueryCrew>> calls;  // for help
  size_t running = 0;                            //
  size_t idle = 0;                               // threads that wait for work, or were made and are not there yet
  std::list<std::thread> threads;                //
  std::list<std::thread> ended;                  // to be joined
  std::vector<Bell> bells;                       // to be rung as soon as the mutex is free, as are the next two
  size_t wakes = 0;                              //
  bool steward_wanted = false;                   //

  // Its client went away, or the scheduler stops.
  bool is_over(const ScheduledQuery& query) const {
    return stopping.load(std::memory_order_relaxed) || query.cancelled->load(std::memory_order_relaxed);
  }

  void give_slots();                 // free ones, to who is next in line
  void note_line();                  // after a change of the line
  size_t tasks();                    // that threads could take now
  bool lacks_threads();              // more are to be made
  void call_threads();               // for those tasks
  Pending::iterator next_pending();  // that may begin now; end: none
  void begin(ScheduledQuery& query);
  void end(ScheduledQuery& query);
  void ring_all();  // who waits sees that it is over
};

// Has the mutex. Who was given something meanwhile is woken when it is free again: a thread that wakes up may take the
// processor of the one that woke it, and that one must not have the mutex then.
class SchedulerSection {
 public:
  explicit SchedulerSection(SchedulerState& state) : state_(state), lock_(state.mutex) {}
  ~SchedulerSection() {
    if (lock_.owns_lock()) leave();
  }
  SchedulerSection(const SchedulerSection&) = delete;
  SchedulerSection& operator=(const SchedulerSection&) = delete;

  void enter() { lock_.lock(); }
  void leave();
  void ring();  // leaves and enters, where somebody is to be woken

  // Until `done()`.
  template <class Done>
  void wait(std::condition_variable& until, Done done) {
    ring();
    until.wait(lock_, std::move(done));
  }
  // False: `most` has passed. Between what was seen before and the waiting nobody else has the mutex: ring() first.
  bool wait_for_work(std::chrono::seconds most) {
    return state_.wake.wait_for(lock_, most) == std::cv_status::no_timeout;
  }

 private:
  SchedulerState& state_;
  std::unique_lock<std::mutex> lock_;
};

}  // namespace server
