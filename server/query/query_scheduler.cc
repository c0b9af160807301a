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
#include <utility>
#include <vector>

#include "pipeline/base/invariant.h"
#include "server/query/background_thread.h"
#include "server/query/query_line.h"
#include "server/query/work_clock.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;
using Bell = std::shared_ptr<std::condition_variable>;

// How soon it is seen that the client of a query that waits went away.
constexpr std::chrono::milliseconds kLookAround{40};
constexpr std::chrono::seconds kIdle{10};
// Threads made before they are needed, while there are queries: a new query need not wait for one.
constexpr size_t kSpare = 2;
// What a query has used is looked at this often at most; less often where nobody is in a hurry, for each look takes the
// mutex, and who has it may lose the processor.
constexpr std::chrono::microseconds kLook{200};
constexpr std::chrono::microseconds kCalmLook{2000};

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

void block_signals() {  // they belong to the loop's thread
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

struct QueryScheduler::Shared {
  explicit Shared(Options given) : options(given), free_slots(given.slots) {
    INVARIANT(given.slots > 0 && given.max_running > 0);
    steward = std::thread([this] { steward_loop(); });
  }

  const Options options;
  std::atomic<bool> stopping{false};
  std::atomic<bool> hurry{false};    // somebody in line has hardly begun
  std::atomic<bool> company{false};  // more than one query has begun
  std::atomic<int64_t> waited_ns{0};

  mutable std::mutex mutex;
  std::condition_variable wake;                // threads without work
  std::condition_variable wake_steward;        //
  QueryLine line;                              // under mutex, with all that follows
  size_t free_slots;                           //
  size_t beginners = 0;                        // slots beyond those, for queries that have hardly begun
  std::deque<std::unique_ptr<Query>> pending;  //
  std::deque<std::shared_ptr<Crew>> calls;     // for help
  size_t running = 0;                          //
  size_t idle = 0;                             // threads that wait for work, or were made and are not there yet
  std::list<std::thread> threads;              //
  std::list<std::thread> ended;                // to be joined
  std::vector<Bell> bells;                     // to be rung as soon as the mutex is free, as are the next two
  size_t wakes = 0;                            //
  bool steward_wanted = false;                 //
  std::thread steward;                         // makes threads, with the priority of the process, and joins them

  bool over(const Query& query) const {
    return stopping.load(std::memory_order_relaxed) || query.cancelled->load(std::memory_order_relaxed);
  }

  class Section;
  class Seat;
  void give_slots();
  void note_line();
  size_t tasks();
  bool lacks_threads();
  void call_threads();
  void steward_loop();
  void make_thread(Lock& lock);
  void look_around();
  void work_loop(std::list<std::thread>::iterator self);
  std::deque<std::unique_ptr<Query>>::iterator next_pending();
  void run_query(std::unique_ptr<Query> query, bool& background, Section& section);
  void run_help(const std::shared_ptr<Crew>& crew, bool& background, Section& section);
  void stop();
};

// Has the mutex. Who was given something meanwhile is woken when it is free again: a thread that wakes up may take the
// processor of the one that woke it, and that one must not have the mutex then.
class QueryScheduler::Shared::Section {
 public:
  explicit Section(Shared& shared) : shared_(shared), lock_(shared.mutex) {}
  ~Section() {
    if (lock_.owns_lock()) leave();
  }
  void enter() { lock_.lock(); }
  void leave() {
    std::vector<Bell> bells;
    bells.swap(shared_.bells);
    const size_t wakes = std::exchange(shared_.wakes, 0);
    const bool steward = std::exchange(shared_.steward_wanted, false);
    lock_.unlock();
    for (const Bell& bell : bells) bell->notify_one();
    for (size_t i = 0; i < wakes; ++i) shared_.wake.notify_one();
    if (steward) shared_.wake_steward.notify_one();
  }
  // Until `done()`.
  template <class Done>
  void wait(std::condition_variable& until, Done done) {
    ring();
    until.wait(lock_, std::move(done));
  }
  // False: kIdle has passed. Between what was seen before and the waiting nobody else has the mutex: ring() first.
  bool wait_for_work() { return shared_.wake.wait_for(lock_, kIdle) == std::cv_status::no_timeout; }
  void ring() {
    if (shared_.bells.empty() && shared_.wakes == 0 && !shared_.steward_wanted) return;
    leave();
    enter();
  }

 private:
  Shared& shared_;
  Lock lock_;
};

// One thread's place in one query.
class QueryScheduler::Shared::Seat final : public QueryTurn {
 public:
  Seat(Shared& shared, Query& query, bool& background, Clock::time_point waits_since, const Crew* crew = nullptr)
      : shared_(shared), query_(query), crew_(crew), background_(background), waits_since_(waits_since) {}
  ~Seat() override {
    Section section(shared_);
    release();
  }

  Result<void> breathe() override {
    auto outcome = look();
    settle();
    return outcome;
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
      Section section(shared_);
      const size_t helpers = std::min(count, width()) - 1;
      for (size_t i = 0; i < helpers; ++i) shared_.calls.push_back(crew);
      shared_.call_threads();
    }
    for (size_t i = crew->next++; i < count; i = crew->next++) part(i, *this);
    wait_for(*crew);
  }

  // False: there is nothing to help with any more. Once begun, a helper ends its part whoever waits for it.
  bool begin_to_help() {
    {
      Section section(shared_);
      helps_ = crew_->open && acquire(section).has_value();
    }
    settle();
    return helps_;
  }

 private:
  static tl::unexpected<pipeline::Error> cancelled() {
    return fail(Errc::kCancelled, "the request was cancelled by the client");
  }

  void settle() {
    if (heavy_ && !background_) run_in_background();
    background_ = background_ || heavy_;  // for good, so the thread ends with this query
    // One alone keeps what others leave it: to give way beside busy programs would cost it most of that.
    if (background_ && shared_.company.load(std::memory_order_relaxed)) give_way();
  }

  Result<void> look() {
    if (shared_.over(query_)) return cancelled();
    if (!holds_) {
      Section section(shared_);
      return acquire(section);
    }
    const auto now = Clock::now();
    if (now - looked_ < (calm() ? kCalmLook : kLook)) return {};
    looked_ = now;
    const auto worked = work_.lap();
    Section section(shared_);
    charge(worked);
    const bool stays =
        as_beginner_ ? shared_.line.stays_beginner(query_.share) : !shared_.line.should_yield(query_.share);
    if (stays) return {};
    release();
    waits_since_ = now;
    return acquire(section);
  }

  bool calm() const { return background_ && !shared_.hurry.load(std::memory_order_relaxed); }
  bool gives_up() const { return shared_.over(query_) || (crew_ != nullptr && !helps_ && !crew_->open); }

  Result<void> acquire(Section& section) {
    shared_.line.join({this, &query_.share});
    shared_.give_slots();
    section.wait(*granted_, [this] { return holds_ || gives_up(); });
    const auto now = Clock::now();
    count_wait(now);
    if (!holds_) {
      shared_.line.leave(this);
      shared_.note_line();
      return cancelled();
    }
    work_.restart();
    looked_ = now;
    charge({});  // a helper of a query that has had much is in the background from its first page
    return {};
  }

  void count_wait(Clock::time_point now) {
    waited_ += now - waits_since_;
    shared_.waited_ns.fetch_add(std::chrono::nanoseconds(now - waits_since_).count(), std::memory_order_relaxed);
    waits_since_ = now;
  }

  void charge(std::chrono::nanoseconds worked) {
    shared_.line.charge(query_.share, worked.count());
    heavy_ = query_.share.used_ns >= QueryLine::kBeginnerNs;
  }

  void release() {
    if (!holds_) return;
    charge(work_.lap());
    holds_ = false;
    as_beginner_ ? --shared_.beginners : ++shared_.free_slots;
    as_beginner_ = false;
    shared_.give_slots();
  }

  // Those who have not begun need not come any more; the others end with what they have.
  void wait_for(Crew& crew) {
    Section section(shared_);
    crew.open = false;
    std::erase_if(shared_.calls, [&crew](const auto& call) { return call.get() == &crew; });
    for (const QueryLine::Waiter& waiter : shared_.line.waiters()) {
      Seat& seat = *static_cast<Seat*>(waiter.who);
      if (seat.crew_ == &crew) shared_.bells.push_back(seat.granted_);
    }
    if (crew.active == 0) return;
    release();
    section.wait(crew.ended, [&crew] { return crew.active == 0; });
    waits_since_ = Clock::now();
    // Without a slot, if the client went away: breathe() says so soon.
    if (auto outcome = acquire(section); !outcome) return;
  }

  friend struct Shared;
  Shared& shared_;
  Query& query_;
  const Crew* const crew_;    // of a helper
  bool& background_;          // of the thread
  bool heavy_ = false;        // it has had so much that the thread belongs in the background
  bool helps_ = false;        // has begun to
  bool holds_ = false;        // a slot; set under the mutex
  bool as_beginner_ = false;  // one of those for beginners; likewise
  WorkClock work_;
  Clock::time_point looked_;
  Clock::time_point waits_since_;
  Clock::duration waited_{0};
  const Bell granted_ = std::make_shared<std::condition_variable>();
};

// Free slots go to who is next in line.
void QueryScheduler::Shared::give_slots() {
  auto grant = [this](void* who, bool as_beginner) {
    auto* seat = static_cast<Seat*>(who);
    line.leave(seat);
    seat->holds_ = true;
    seat->as_beginner_ = as_beginner;
    as_beginner ? ++beginners : --free_slots;
    bells.push_back(seat->granted_);
  };
  while (free_slots > 0 && line.size() > 0) grant(line.next(), false);
  while (beginners < 2 * options.slots) {
    void* beginner = line.next_beginner();
    if (beginner == nullptr) break;
    grant(beginner, true);
  }
  note_line();
}

void QueryScheduler::Shared::note_line() {
  hurry.store(line.has_fresh(), std::memory_order_relaxed);
  if (line.size() == 1) steward_wanted = true;  // it looks after those who wait
}

// What threads could take now.
size_t QueryScheduler::Shared::tasks() {
  if (next_pending() == pending.end()) return calls.size();
  const size_t room = options.max_running - std::min(running, options.max_running);
  return calls.size() + std::clamp<size_t>(room, 1, pending.size());
}

bool QueryScheduler::Shared::lacks_threads() {
  const size_t wanted = tasks() + (running > 0 && !stopping ? kSpare : 0);
  return idle < wanted && threads.size() < options.max_running + options.slots + 1 + kSpare;
}

void QueryScheduler::Shared::call_threads() {
  wakes = std::min(tasks(), idle);
  if (lacks_threads() || calls.size() + pending.size() > wakes) steward_wanted = true;
}

void QueryScheduler::Shared::steward_loop() {
  pthread_setname_np(pthread_self(), "query steward");
  block_signals();
  Lock lock(mutex);
  while (true) {
    if (lacks_threads()) {
      make_thread(lock);
    } else if (!ended.empty()) {
      std::list<std::thread> gone;
      gone.splice(gone.end(), ended);
      lock.unlock();
      for (std::thread& thread : gone) thread.join();
      lock.lock();
    } else if (stopping && threads.empty() && pending.empty()) {
      return;
    } else if (line.size() + pending.size() > 0) {
      wake_steward.wait_for(lock, kLookAround);
      look_around();
    } else {
      wake_steward.wait(lock);
    }
  }
}

// Out of the mutex: it takes a while. Nobody joins the thread before it is in its place, for only this one does.
void QueryScheduler::Shared::make_thread(Lock& lock) {
  auto self = threads.emplace(threads.end());
  ++idle;
  lock.unlock();
  *self = std::thread([this, self] { work_loop(self); });
  lock.lock();
}

// Clients of those who wait may have gone away.
void QueryScheduler::Shared::look_around() {
  for (const QueryLine::Waiter& waiter : line.waiters()) {
    Seat& seat = *static_cast<Seat*>(waiter.who);
    if (seat.gives_up()) seat.granted_->notify_one();
  }
  for (size_t i = std::min(tasks(), idle); i > 0; --i) wake.notify_one();
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
  block_signals();
  bool background = false;
  Section section(*this);
  --idle;
  while (!background || stopping) {
    section.ring();
    if (!calls.empty()) {
      auto crew = std::move(calls.front());
      calls.pop_front();
      run_help(crew, background, section);
      continue;
    }
    if (auto found = next_pending(); found != pending.end()) {
      auto query = std::move(*found);
      pending.erase(found);
      run_query(std::move(query), background, section);
      continue;
    }
    if (stopping) break;
    ++idle;
    const bool timeout = !section.wait_for_work();
    --idle;
    if (timeout && calls.empty() && pending.empty() && !stopping) break;
  }
  call_threads();  // for what is left to take
  ended.splice(ended.end(), threads, self);
  steward_wanted = true;
}

void QueryScheduler::Shared::run_query(std::unique_ptr<Query> query, bool& background, Section& section) {
  --query->share.tenant->waiting;
  line.begin(query->share);
  company.store(++running > 1, std::memory_order_relaxed);
  if (lacks_threads()) steward_wanted = true;
  section.leave();
  {
    Seat seat(*this, *query, background, query->submitted);
    query->work(seat);
    query->work = nullptr;
  }
  section.enter();
  company.store(--running > 1, std::memory_order_relaxed);
  line.end(query->share);
  line.leave_tenant(query->tenant);
}

void QueryScheduler::Shared::run_help(const std::shared_ptr<Crew>& crew, bool& background, Section& section) {
  if (!crew->open) return;
  ++crew->active;
  section.leave();
  {
    Seat seat(*this, crew->query, background, Clock::now(), crew.get());
    if (seat.begin_to_help()) {
      for (size_t i = crew->next++; i < crew->count; i = crew->next++) crew->part(i, seat);
    }
  }
  section.enter();
  if (--crew->active == 0) crew->ended.notify_one();
}

void QueryScheduler::Shared::stop() {
  {
    Section section(*this);
    stopping = true;
    for (const QueryLine::Waiter& waiter : line.waiters()) bells.push_back(static_cast<Seat*>(waiter.who)->granted_);
    wakes = threads.size();
    steward_wanted = true;
  }
  if (steward.joinable()) steward.join();
}

QueryScheduler::QueryScheduler(Options options) : shared_(std::make_shared<Shared>(options)) {}
QueryScheduler::~QueryScheduler() { stop(); }

Result<void> QueryScheduler::submit(std::string tenant, Flag cancelled, Work work) {
  Shared& s = *shared_;
  Shared::Section section(s);
  if (s.stopping) return fail(Errc::kCancelled, "the server is stopping");
  auto query = std::make_unique<Query>(Query{tenant, std::move(cancelled), std::move(work), Clock::now()});
  query->share.tenant = &s.line.tenant(tenant);
  if (query->share.tenant->waiting >= s.options.max_waiting_per_tenant)
    return fail(Errc::kOverLimit, "too many outstanding requests");
  ++query->share.tenant->waiting;
  s.pending.push_back(std::move(query));
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
