#include "pipeline/loop/signal_watcher.h"

#include <utility>

#include "pipeline/loop/loop_impl.h"

namespace pipeline {

struct SignalWatcher::State {
  uv_signal_t handle;
  Task callback;
};

SignalWatcher::SignalWatcher(Loop& loop, int signal_number, Task callback)
    : loop_(loop), state_(new State{{}, std::move(callback)}) {
  DEBUG_INVARIANT(loop_.is_current());
  uv_signal_init(&loop.impl().loop, &state_->handle);
  state_->handle.data = state_;
  int status = uv_signal_start(
      &state_->handle, [](uv_signal_t* handle, int) { static_cast<State*>(handle->data)->callback(); }, signal_number);
  INVARIANT(status == 0);  // only a number that is no signal, or KILL and STOP
}

SignalWatcher::~SignalWatcher() {
  DEBUG_INVARIANT(loop_.is_current());
  close_and_delete(state_);
}

SignalHold::SignalHold(std::initializer_list<int> signals) {
  sigemptyset(&held_);
  for (int signal : signals) sigaddset(&held_, signal);
  ::pthread_sigmask(SIG_BLOCK, &held_, nullptr);
}

void SignalHold::release() {
  if (!std::exchange(released_, true)) ::pthread_sigmask(SIG_UNBLOCK, &held_, nullptr);
}

}  // namespace pipeline
