#include "pipeline/loop/fd_watcher.h"

#include "pipeline/loop/loop_impl.h"

namespace pipeline {

struct FdWatcher::State {
  uv_poll_t handle;
  int fd;
  UniqueFunction<void(FdEvents)> callback;
  bool open = false;  // libuv knows the handle: then it lives until its close callback
};

FdWatcher::FdWatcher(Loop& loop, int fd, UniqueFunction<void(FdEvents)> callback)
    : loop_(loop), state_(new State{{}, fd, std::move(callback)}) {
  DEBUG_INVARIANT(loop_.is_current());
}

FdWatcher::~FdWatcher() {
  DEBUG_INVARIANT(loop_.is_current());
  if (state_->open) {
    close_and_delete(state_);
  } else {
    delete state_;
  }
}

Result<void> FdWatcher::start(bool readable, bool writable) {
  DEBUG_INVARIANT(loop_.is_current());
  if (!readable && !writable) {
    stop();
    return {};
  }
  if (!state_->open) {
    if (int status = uv_poll_init(&loop_.impl().loop, &state_->handle, state_->fd); status != 0) {
      return fail(Errc::kInvalid, concat("watch descriptor ", state_->fd, ": ", uv_strerror(status)));
    }
    state_->open = true;
    state_->handle.data = state_;
  }
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  int status = uv_poll_start(&state_->handle, events, [](uv_poll_t* handle, int result, int happened) {
    auto* state = static_cast<State*>(handle->data);
    state->callback(
        {.readable = (happened & UV_READABLE) != 0, .writable = (happened & UV_WRITABLE) != 0, .error = result < 0});
  });
  if (status != 0) return fail(uv_error(concat("watch descriptor ", state_->fd), status));
  return {};
}

void FdWatcher::stop() {
  DEBUG_INVARIANT(loop_.is_current());
  if (state_->open) uv_poll_stop(&state_->handle);
}

}  // namespace pipeline
