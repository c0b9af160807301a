#include "server/query/scheduler_state.h"

#include <algorithm>
#include <utility>

#include "pipeline/base/invariant.h"
#include "server/query/query_seat.h"

namespace server {

namespace {

// Threads made before they are needed, while there are queries: a new query need not wait for one.
constexpr size_t kSpare = 2;

}  // namespace

SchedulerState::SchedulerState(Options given, MakeQueryThread make)
    : options(given), make_thread(std::move(make)), free_slots(given.slots) {
  INVARIANT(given.slots > 0 && given.max_running > 0);
}

void SchedulerState::give_slots() {
  auto grant = [this](void* who, bool as_beginner) {
    auto* seat = static_cast<QuerySeat*>(who);
    line.leave(seat);
    seat->take_slot(as_beginner);
    as_beginner ? ++beginners : --free_slots;
    bells.push_back(seat->bell());
  };
  while (free_slots > 0 && line.size() > 0) grant(line.next(), false);
  while (beginners < 2 * options.slots) {
    void* beginner = line.next_beginner();
    if (beginner == nullptr) break;
    grant(beginner, true);
  }
  note_line();
}

void SchedulerState::note_line() {
  hurry.store(line.has_fresh(), std::memory_order_relaxed);
  if (line.size() == 1) steward_wanted = true;  // it looks after those who wait
}

size_t SchedulerState::tasks() {
  if (next_pending() == pending.end()) return calls.size();
  const size_t room = options.max_running - std::min(running, options.max_running);
  return calls.size() + std::clamp<size_t>(room, 1, pending.size());
}

bool SchedulerState::lacks_threads() {
  const size_t wanted = tasks() + (running > 0 && !stopping ? kSpare : 0);
  return idle < wanted && threads.size() < options.max_running + options.slots + 1 + kSpare;
}

void SchedulerState::call_threads() {
  wakes = std::min(tasks(), idle);
  if (lacks_threads() || calls.size() + pending.size() > wakes) steward_wanted = true;
}

// One whose client is gone comes first, for it ends at once; otherwise of the tenant that runs the fewest.
SchedulerState::Pending::iterator SchedulerState::next_pending() {
  auto gone = std::find_if(pending.begin(), pending.end(), [this](const auto& query) { return is_over(*query); });
  if (gone != pending.end() || running >= options.max_running) return gone;
  return std::min_element(pending.begin(), pending.end(), [](const auto& a, const auto& b) {
    return a->share.tenant->running < b->share.tenant->running;
  });
}

void SchedulerState::begin(ScheduledQuery& query) {
  --query.share.tenant->waiting;
  line.begin(query.share);
  company.store(++running > 1, std::memory_order_relaxed);
  if (lacks_threads()) steward_wanted = true;
}

void SchedulerState::end(ScheduledQuery& query) {
  company.store(--running > 1, std::memory_order_relaxed);
  line.end(query.share);
  line.leave_tenant(query.tenant);
}

void SchedulerState::ring_all() {
  for (const QueryLine::Waiter& waiter : line.waiters()) bells.push_back(static_cast<QuerySeat*>(waiter.who)->bell());
}

void SchedulerSection::leave() {
  std::vector<SchedulerState::Bell> bells;
  bells.swap(state_.bells);
  const size_t wakes = std::exchange(state_.wakes, 0);
  const bool steward = std::exchange(state_.steward_wanted, false);
  lock_.unlock();
  for (const SchedulerState::Bell& bell : bells) bell->notify_one();
  for (size_t i = 0; i < wakes; ++i) state_.wake.notify_one();
  if (steward) state_.wake_steward.notify_one();
}

void SchedulerSection::ring() {
  if (state_.bells.empty() && state_.wakes == 0 && !state_.steward_wanted) return;
  leave();
  enter();
}

}  // namespace server
