#include "server/query/query_scheduler.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <list>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <thread>

#include "pipeline/base/invariant.h"
#include "server/query/background_thread.h"
#include "server/query/query_line.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

// How soon somebody who waits sees that its client went away.
constexpr std::chrono::milliseconds kLookAround{40};
constexpr std::chrono::seconds kIdle{10};
// What a query has used is looked at this often at most.
constexpr std::chrono::microseconds kCharge{200};

struct Query {
  std::string tenant;
  QueryScheduler::Flag cancelled;
  QueryScheduler::Work work;
  Clock::time_point submitted;
  QueryShare share = {};
};

// The threads that work on one run_parts().
struct Crew {
  Query& query;
  const QueryTurn::Part& part;  // valid while open or active > 0
  const size_t count;
  std::atomic<size_t> next{0};
  bool open = true;   // under the mutex
  size_t active = 0;  // under the mutex: helpers in it
  std::condition_variable ended;
};

}  // namespace

struct QueryScheduler::Shared {
  explicit Shared(Options given) : options(given), free_slots(given.slots) {
    INVARIANT(given.slots > 0 && given.max_running > 0);
  }

  const Options options;
  std::atomic<bool> stopping{false};
  std::atomic<size_t> attention{0};  // how many wait, in line or not begun: for who has a slot
  std::atomic<int64_t> waited_ns{0};

  mutable std::mutex mutex;
  std::condition_variable wake;                // threads without work
  QueryLine line;                              // under mutex, with all that follows
  size_t free_slots;                           //
  size_t beginners = 0;                        // slots beyond those, for queries that have hardly begun
  std::deque<std::unique_ptr<Query>> pending;  //
  std::deque<std::shared_ptr<Crew>> calls;     // for help
  size_t running = 0;                          //
  size_t idle = 0;                             // threads that wait for work, or were made and are not there yet
  std::list<std::thread> threads;              //
  std::list<std::thread> ended;                // to be joined
  Clock::time_point looked;                    // when somebody did last

  bool over(const Query& query) const {
    return stopping.load(std::memory_order_relaxed) || query.cancelled->load(std::memory_order_relaxed);
  }

  class Seat;
  void give_slots();
  void count_waiting() { attention.store(line.size() + pending.size(), std::memory_order_relaxed); }
  void call_threads();
  void look_around();
  void work_loop(std::list<std::thread>::iterator self);
  std::deque<std::unique_ptr<Query>>::iterator next_pending();
  void run_query(std::unique_ptr<Query> query, bool& nice, Lock& lock);
  void run_help(const std::shared_ptr<Crew>& crew, bool& nice, Lock& lock);
  void stop();
};

// One thread's place in one query.
class QueryScheduler::Shared::Seat final : public QueryTurn {
 public:
  Seat(Shared& shared, Query& query, bool& nice, Clock::time_point waits_since, const Crew* crew = nullptr)
      : shared_(shared), query_(query), crew_(crew), nice_(nice), waits_since_(waits_since) {}
  ~Seat() override {
    Lock lock(shared_.mutex);
    release();
  }

  Result<void> breathe() override {
    if (shared_.over(query_)) return cancelled();
    if (!holds_) {
      Lock lock(shared_.mutex);
      return acquire(lock);
    }
    if (shared_.attention.load(std::memory_order_relaxed) == 0 && !as_beginner_) return {};
    auto now = Clock::now();
    if (now - since_ < kCharge) return {};
    Lock lock(shared_.mutex);
    charge(now);
    shared_.look_around();
    if (as_beginner_ ? shared_.line.is_beginner(query_.share) : !shared_.line.should_yield(query_.share)) return {};
    release();
    waits_since_ = now;
    return acquire(lock);
  }

  size_t width() const override { return shared_.options.slots; }
  double waited_seconds() const override { return std::chrono::duration<double>(waited_).count(); }

  void run_parts(size_t count, const Part& part) override {
    if (count < 2 || width() < 2) {
      for (size_t i = 0; i < count; ++i) part(i, *this);
      return;
    }
    auto crew = std::make_shared<Crew>(query_, part, count);
    {
      Lock lock(shared_.mutex);
      const size_t helpers = std::min(count, width()) - 1;
      for (size_t i = 0; i < helpers; ++i) shared_.calls.push_back(crew);
      shared_.call_threads();
    }
    for (size_t i = crew->next++; i < count; i = crew->next++) part(i, *this);
    wait_for(*crew);
  }

  // False: there is nothing to help with any more. Once begun, a helper ends its part whoever waits for it.
  bool acquire_to_help(Lock& lock) {
    helps_ = acquire(lock).has_value();
    return helps_;
  }

 private:
  static tl::unexpected<pipeline::Error> cancelled() {
    return fail(Errc::kCancelled, "the request was cancelled by the client");
  }

  bool gives_up() const { return shared_.over(query_) || (crew_ != nullptr && !helps_ && !crew_->open); }

  Result<void> acquire(Lock& lock) {
    shared_.line.join({this, &query_.share});
    shared_.give_slots();
    while (!holds_) {
      granted_.wait_for(lock, kLookAround);
      if (holds_) break;
      if (gives_up()) {
        shared_.line.leave(this);
        shared_.count_waiting();
        count_wait(Clock::now());
        return cancelled();
      }
      shared_.look_around();
    }
    since_ = Clock::now();
    count_wait(since_);
    return {};
  }

  void count_wait(Clock::time_point now) {
    waited_ += now - waits_since_;
    shared_.waited_ns.fetch_add(std::chrono::nanoseconds(now - waits_since_).count(), std::memory_order_relaxed);
    waits_since_ = now;
  }

  void charge(Clock::time_point now) {
    shared_.line.charge(query_.share, std::chrono::nanoseconds(now - since_).count());
    since_ = now;
    if (nice_ || query_.share.used_ns < QueryLine::kFreshNs) return;
    nice_ = true;  // for good: a thread may not take it back, so it ends with this query
    run_in_background();
  }

  void release() {
    if (!holds_) return;
    charge(Clock::now());
    holds_ = false;
    as_beginner_ ? --shared_.beginners : ++shared_.free_slots;
    as_beginner_ = false;
    shared_.give_slots();
  }

  // Those who have not begun need not come any more; the others end with what they have.
  void wait_for(Crew& crew) {
    Lock lock(shared_.mutex);
    crew.open = false;
    std::erase_if(shared_.calls, [&crew](const auto& call) { return call.get() == &crew; });
    for (const QueryLine::Waiter& waiter : shared_.line.waiters()) {
      Seat& seat = *static_cast<Seat*>(waiter.who);
      if (seat.crew_ == &crew) seat.granted_.notify_one();
    }
    if (crew.active == 0) return;
    release();
    crew.ended.wait(lock, [&crew] { return crew.active == 0; });
    waits_since_ = Clock::now();
    // Without a slot, if the client went away: breathe() says so soon.
    if (auto outcome = acquire(lock); !outcome) return;
  }

  friend struct Shared;
  Shared& shared_;
  Query& query_;
  const Crew* const crew_;    // of a helper
  bool& nice_;                // of the thread
  bool helps_ = false;        // has begun to
  bool holds_ = false;        // a slot; set under the mutex
  bool as_beginner_ = false;  // one of those for beginners; likewise
  Clock::time_point since_;
  Clock::time_point waits_since_;
  Clock::duration waited_{0};
  std::condition_variable granted_;
};

// Free slots go to who is next in line.
void QueryScheduler::Shared::give_slots() {
  auto grant = [this](void* who, bool as_beginner) {
    auto* seat = static_cast<Seat*>(who);
    line.leave(seat);
    seat->holds_ = true;
    seat->as_beginner_ = as_beginner;
    as_beginner ? ++beginners : --free_slots;
    seat->granted_.notify_one();
  };
  while (free_slots > 0 && line.size() > 0) grant(line.next(), false);
  while (beginners < options.slots) {
    void* beginner = line.next_beginner();
    if (beginner == nullptr) break;
    grant(beginner, true);
  }
  count_waiting();
}

// As many threads as there is something to take.
void QueryScheduler::Shared::call_threads() {
  ended.remove_if([](std::thread& thread) { return thread.join(), true; });
  size_t tasks = calls.size();
  if (next_pending() != pending.end()) {
    const size_t room = options.max_running - std::min(running, options.max_running);
    tasks += std::clamp<size_t>(room, 1, pending.size());
  }
  const size_t most = options.max_running + options.slots + 1;
  while (idle < tasks && threads.size() < most) {
    threads.emplace_back();
    auto self = std::prev(threads.end());
    *self = std::thread([this, self] { work_loop(self); });
    ++idle;
  }
  for (size_t i = 0; i < std::min(tasks, idle); ++i) wake.notify_one();
}

// A client of a query not yet begun may have gone away: who runs or waits in line sees it.
void QueryScheduler::Shared::look_around() {
  const auto now = Clock::now();
  if (pending.empty() || now - looked < kLookAround) return;
  looked = now;
  call_threads();
}

// One whose client is gone comes first, for it ends at once; otherwise of the tenant that runs the fewest.
std::deque<std::unique_ptr<Query>>::iterator QueryScheduler::Shared::next_pending() {
  auto gone = std::find_if(pending.begin(), pending.end(), [this](const auto& query) { return over(*query); });
  if (gone != pending.end() || running >= options.max_running) return gone;
  return std::min_element(pending.begin(), pending.end(), [](const auto& a, const auto& b) {
    return a->share.tenant->running < b->share.tenant->running;
  });
}

void QueryScheduler::Shared::work_loop(std::list<std::thread>::iterator self) {
  pthread_setname_np(pthread_self(), "query");
  sigset_t all;  // signals belong to the loop's thread
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  Lock lock(mutex);
  --idle;
  bool nice = false;
  while (true) {
    if (nice && !stopping) {
      call_threads();
      ended.splice(ended.end(), threads, self);  // whoever makes or ends threads next joins it
      return;
    }
    if (!calls.empty()) {
      auto crew = std::move(calls.front());
      calls.pop_front();
      run_help(crew, nice, lock);
      continue;
    }
    if (auto found = next_pending(); found != pending.end()) {
      auto query = std::move(*found);
      pending.erase(found);
      count_waiting();
      run_query(std::move(query), nice, lock);
      continue;
    }
    if (stopping) return;
    ++idle;
    const bool timeout = wake.wait_for(lock, kIdle) == std::cv_status::timeout;
    --idle;
    if (timeout && calls.empty() && pending.empty() && !stopping) {
      ended.splice(ended.end(), threads, self);  // whoever makes or ends threads next joins it
      return;
    }
  }
}

void QueryScheduler::Shared::run_query(std::unique_ptr<Query> query, bool& nice, Lock& lock) {
  --query->share.tenant->waiting;
  line.begin(query->share);
  ++running;
  lock.unlock();
  {
    Seat seat(*this, *query, nice, query->submitted);
    query->work(seat);
    query->work = nullptr;
  }
  lock.lock();
  --running;
  line.end(query->share);
  line.leave_tenant(query->tenant);
}

void QueryScheduler::Shared::run_help(const std::shared_ptr<Crew>& crew, bool& nice, Lock& lock) {
  if (!crew->open) return;
  ++crew->active;
  lock.unlock();
  {
    Seat seat(*this, crew->query, nice, Clock::now(), crew.get());
    bool helps = false;
    {
      Lock taking(mutex);
      helps = crew->open && seat.acquire_to_help(taking);
    }
    if (helps) {
      for (size_t i = crew->next++; i < crew->count; i = crew->next++) crew->part(i, seat);
    }
  }
  lock.lock();
  if (--crew->active == 0) crew->ended.notify_one();
}

void QueryScheduler::Shared::stop() {
  std::list<std::thread> all;
  {
    Lock lock(mutex);
    stopping = true;
    call_threads();  // somebody answers those who wait
    all.splice(all.end(), threads);
    all.splice(all.end(), ended);
    for (const QueryLine::Waiter& waiter : line.waiters()) static_cast<Seat*>(waiter.who)->granted_.notify_one();
  }
  wake.notify_all();
  for (std::thread& thread : all) thread.join();
}

QueryScheduler::QueryScheduler(Options options) : shared_(std::make_shared<Shared>(options)) {}
QueryScheduler::~QueryScheduler() { stop(); }

Result<void> QueryScheduler::submit(std::string tenant, Flag cancelled, Work work) {
  Shared& s = *shared_;
  Lock lock(s.mutex);
  if (s.stopping) return fail(Errc::kCancelled, "the server is stopping");
  auto query = std::make_unique<Query>(Query{tenant, std::move(cancelled), std::move(work), Clock::now()});
  query->share.tenant = &s.line.tenant(tenant);
  if (query->share.tenant->waiting >= s.options.max_waiting_per_tenant)
    return fail(Errc::kOverLimit, "too many outstanding requests");
  ++query->share.tenant->waiting;
  s.pending.push_back(std::move(query));
  s.count_waiting();
  s.call_threads();
  return {};
}

void QueryScheduler::stop() { shared_->stop(); }

size_t QueryScheduler::running() const {
  Lock lock(shared_->mutex);
  return shared_->running;
}

size_t QueryScheduler::waiting() const {
  Lock lock(shared_->mutex);
  return shared_->pending.size();
}

size_t QueryScheduler::in_line() const {
  Lock lock(shared_->mutex);
  return shared_->line.size();
}

double QueryScheduler::waited_seconds() const {
  return static_cast<double>(shared_->waited_ns.load(std::memory_order_relaxed)) / 1e9;
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
