#include "pipeline/loop/timer.h"

#include "pipeline/loop/loop_impl.h"

namespace pipeline {

struct Timer::State {
  uv_timer_t handle;
  Task callback;

  void start(std::chrono::nanoseconds delay, bool repeat);
};

void Timer::State::start(std::chrono::nanoseconds delay, bool repeat) {
  const auto ms = std::max<int64_t>(std::chrono::ceil<std::chrono::milliseconds>(delay).count(), repeat ? 1 : 0);
  uv_update_time(handle.loop);  // else the delay would count from the start of this turn
  uv_timer_start(
      &handle, [](uv_timer_t* timer) { static_cast<State*>(timer->data)->callback(); }, static_cast<uint64_t>(ms),
      repeat ? static_cast<uint64_t>(ms) : 0);
}

Timer::Timer(Loop& loop, Task callback) : loop_(loop), state_(new State{{}, std::move(callback)}) {
  DEBUG_INVARIANT(loop_.is_current());
  uv_timer_init(&loop.impl().loop, &state_->handle);
  state_->handle.data = state_;
}

Timer::~Timer() {
  DEBUG_INVARIANT(loop_.is_current());
  close_and_delete(state_);
}

void Timer::start(std::chrono::nanoseconds delay) {
  DEBUG_INVARIANT(loop_.is_current());
  state_->start(delay, false);
}

void Timer::start_repeating(std::chrono::nanoseconds every) {
  DEBUG_INVARIANT(loop_.is_current());
  state_->start(every, true);
}

void Timer::stop() {
  DEBUG_INVARIANT(loop_.is_current());
  uv_timer_stop(&state_->handle);
}

bool Timer::active() const { return uv_is_active(handle_of(state_)) != 0; }

}  // namespace pipeline
