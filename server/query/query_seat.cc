#include "server/query/query_seat.h"

#include <algorithm>

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {

// What a query has used is looked at this often at most; less often where nobody is in a hurry, for each look takes the
// mutex, and who has it may lose the processor.
constexpr std::chrono::microseconds kLook{200};
constexpr std::chrono::microseconds kCalmLook{2000};
// Within a page others may come before this often: a cheap query beside heavy ones waits so long for each step it takes
// (the loop, its thread, the loop again).
constexpr std::chrono::microseconds kPause{150};

tl::unexpected<pipeline::Error> cancelled() {
  return fail(Errc::kCancelled, "the request was cancelled by the client");
}

}  // namespace

QuerySeat::~QuerySeat() {
  SchedulerSection section(state_);
  release();
}

Result<void> QuerySeat::breathe() {
  auto outcome = look();
  paused_ = thread_.now();
  settle();
  return outcome;
}

void QuerySeat::pause() {
  if (thread_.now() - paused_ < kPause) return;
  if (auto outcome = breathe(); !outcome) return;  // the next one says so to who can end the query
}

void QuerySeat::run_parts(size_t count, const Part& part) {
  if (count < 2 || width() < 2) {
    for (size_t i = 0; i < count; ++i) part(i, *this);
    return;
  }
  auto crew = std::make_shared<QueryCrew>(query_, part, count);
  {
    SchedulerSection section(state_);
    const size_t helpers = std::min(count, width()) - 1;
    for (size_t i = 0; i < helpers; ++i) state_.calls.push_back(crew);
    state_.call_threads();
  }
  for (size_t i = crew->next++; i < count; i = crew->next++) part(i, *this);
  wait_for(*crew);
}

bool QuerySeat::begin_to_help() {
  {
    SchedulerSection section(state_);
    helps_ = crew_->open && acquire(section).has_value();
  }
  settle();
  return helps_;
}

bool QuerySeat::gives_up() const { return state_.is_over(query_) || (crew_ != nullptr && !helps_ && !crew_->open); }

void QuerySeat::settle() {
  if (heavy_) thread_.go_to_background();
  // One alone keeps what others leave it: to give way beside busy programs would cost it most of that.
  if (thread_.is_in_background() && state_.company.load(std::memory_order_relaxed)) thread_.give_way();
}

Result<void> QuerySeat::look() {
  if (state_.is_over(query_)) return cancelled();
  if (!holds_) {
    SchedulerSection section(state_);
    return acquire(section);
  }
  const auto now = thread_.now();
  if (now - looked_ < (is_calm() ? kCalmLook : kLook)) return {};
  looked_ = now;
  const auto worked = thread_.lap();
  SchedulerSection section(state_);
  charge(worked);
  const bool stays = as_beginner_ ? state_.line.stays_beginner(query_.share) : !state_.line.should_yield(query_.share);
  if (stays) return {};
  release();
  waits_since_ = Clock::now();
  return acquire(section);
}

bool QuerySeat::is_calm() const { return thread_.is_in_background() && !state_.hurry.load(std::memory_order_relaxed); }

Result<void> QuerySeat::acquire(SchedulerSection& section) {
  state_.line.join({this, &query_.share});
  state_.give_slots();
  section.wait(*granted_, [this] { return holds_ || gives_up(); });
  count_wait();
  if (!holds_) {
    state_.line.leave(this);
    state_.note_line();
    return cancelled();
  }
  thread_.restart();
  looked_ = thread_.now();
  charge({});  // a helper of a query that has had much is in the background from its first page
  return {};
}

void QuerySeat::count_wait() {
  const auto now = Clock::now();
  waited_ += now - waits_since_;
  state_.waited_ns.fetch_add(std::chrono::nanoseconds(now - waits_since_).count(), std::memory_order_relaxed);
  waits_since_ = now;
}

void QuerySeat::charge(std::chrono::nanoseconds worked) {
  state_.line.charge(query_.share, worked.count());
  heavy_ = query_.share.used_ns >= QueryLine::kBeginnerNs;
}

void QuerySeat::release() {
  if (!holds_) return;
  charge(thread_.lap());
  holds_ = false;
  as_beginner_ ? --state_.beginners : ++state_.free_slots;
  as_beginner_ = false;
  state_.give_slots();
}

// Those who have not begun need not come any more; the others end with what they have.
void QuerySeat::wait_for(QueryCrew& crew) {
  SchedulerSection section(state_);
  crew.open = false;
  std::erase_if(state_.calls, [&crew](const auto& call) { return call.get() == &crew; });
  for (const QueryLine::Waiter& waiter : state_.line.waiters()) {
    const QuerySeat& seat = *static_cast<QuerySeat*>(waiter.who);
    if (seat.crew_ == &crew) state_.bells.push_back(seat.granted_);
  }
  if (crew.active == 0) return;
  release();
  section.wait(crew.ended, [&crew] { return crew.active == 0; });
  waits_since_ = Clock::now();
  // Without a slot, if the client went away: breathe() says so soon.
  if (auto outcome = acquire(section); !outcome) return;
}

}  // namespace server
