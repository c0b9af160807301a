#include "server/query/scheduler_threads.h"

#include <algorithm>
#include <pthread.h>
#include <signal.h>
#include <utility>

#include "server/query/query_seat.h"

namespace server {

namespace {

// How soon it is seen that the client of a query that waits went away.
constexpr std::chrono::milliseconds kLookAround{40};
constexpr std::chrono::seconds kIdle{10};

void block_signals() {  // they belong to the loop's thread
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

void SchedulerThreads::stop() {
  {
    SchedulerSection section(state_);
    state_.stopping = true;
    state_.ring_all();
    state_.wakes = state_.threads.size();
    state_.steward_wanted = true;
  }
  if (steward_.joinable()) steward_.join();
}

void SchedulerThreads::steward_loop() {
  pthread_setname_np(pthread_self(), "query steward");
  block_signals();
  std::unique_lock lock(state_.mutex);
  while (true) {
    if (state_.lacks_threads()) {
      make_one(lock);
    } else if (!state_.ended.empty()) {
      std::list<std::thread> gone;
      gone.splice(gone.end(), state_.ended);
      lock.unlock();
      for (std::thread& thread : gone) thread.join();
      lock.lock();
    } else if (state_.stopping && state_.threads.empty() && state_.pending.empty()) {
      return;
    } else if (state_.line.size() + state_.pending.size() > 0) {
      state_.wake_steward.wait_for(lock, kLookAround);
      look_around();
    } else {
      state_.wake_steward.wait(lock);
    }
  }
}

// Out of the mutex: it takes a while. Nobody joins the thread before it is in its place, for only this one does.
void SchedulerThreads::make_one(std::unique_lock<std::mutex>& lock) {
  auto self = state_.threads.emplace(state_.threads.end());
  ++state_.idle;
  lock.unlock();
  *self = std::thread([this, self] { work_loop(self); });
  lock.lock();
}

void SchedulerThreads::look_around() {
  for (const QueryLine::Waiter& waiter : state_.line.waiters()) {
    const QuerySeat& seat = *static_cast<QuerySeat*>(waiter.who);
    if (seat.gives_up()) seat.bell()->notify_one();
  }
  for (size_t i = std::min(state_.tasks(), state_.idle); i > 0; --i) state_.wake.notify_one();
}

void SchedulerThreads::work_loop(Place self) {
  pthread_setname_np(pthread_self(), "query");
  block_signals();
  const std::unique_ptr<QueryThread> thread = state_.make_thread();
  SchedulerSection section(state_);
  --state_.idle;
  while (!thread->is_in_background() || state_.stopping) {
    section.ring();
    if (!state_.calls.empty()) {
      auto crew = std::move(state_.calls.front());
      state_.calls.pop_front();
      run_help(crew, *thread, section);
      continue;
    }
    if (auto found = state_.next_pending(); found != state_.pending.end()) {
      auto query = std::move(*found);
      state_.pending.erase(found);
      run_query(std::move(query), *thread, section);
      continue;
    }
    if (state_.stopping) break;
    ++state_.idle;
    const bool timeout = !section.wait_for_work(kIdle);
    --state_.idle;
    if (timeout && state_.calls.empty() && state_.pending.empty() && !state_.stopping) break;
  }
  state_.call_threads();  // for what is left to take
  state_.ended.splice(state_.ended.end(), state_.threads, self);
  state_.steward_wanted = true;
}

void SchedulerThreads::run_query(std::unique_ptr<ScheduledQuery> query, QueryThread& thread,
                                 SchedulerSection& section) {
  state_.begin(*query);
  section.leave();
  {
    QuerySeat seat(state_, *query, thread, query->submitted);
    query->work(seat);
    query->work = nullptr;
  }
  section.enter();
  state_.end(*query);
}

void SchedulerThreads::run_help(const std::shared_ptr<QueryCrew>& crew, QueryThread& thread,
                                SchedulerSection& section) {
  if (!crew->open) return;
  ++crew->active;
  section.leave();
  {
    QuerySeat seat(state_, crew->query, thread, QueryThread::Clock::now(), crew.get());
    if (seat.begin_to_help()) {
      for (size_t i = crew->next++; i < crew->count; i = crew->next++) crew->part(i, seat);
    }
  }
  section.enter();
  if (--crew->active == 0) crew->ended.notify_one();
}

}  // namespace server
