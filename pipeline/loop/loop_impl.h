// libuv's side of Loop: for the sources of this room only, the one place where its types appear.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <uv.h>

#include "pipeline/loop/loop.h"

namespace pipeline {

constexpr size_t kReadBufferBytes = 256 << 10;  // one read(2) of a push body; more does not get faster on loopback

struct Loop::Impl {
  uv_loop_t loop;
  uv_async_t wake;
  uv_timer_t turn_timer;
  uv_prepare_t lag_prepare;

  std::atomic<std::thread::id> thread{std::this_thread::get_id()};
  std::atomic<bool> stop_asked{false};
  bool closed = false;

  std::mutex mutex;
  std::deque<Task> tasks;    // under mutex
  bool takes_tasks = true;   // under mutex
  std::deque<Task> in_hand;  // loop: taken out of `tasks`, not yet run

  std::unique_ptr<char[]> read_buffer;  // shared by all streams: a callback never keeps it

  uint64_t turn_began_ns = 0, turn_idle_ns = 0;
  std::shared_ptr<std::atomic<uint64_t>> longest_busy_ns = std::make_shared<std::atomic<uint64_t>>(0);

  void run_tasks();
  void measure_lag();
  char* buffer();
};

// kUnavailable with libuv's text: "listen 127.0.0.1:80: permission denied".
Error uv_error(std::string_view what, int status);

template <class State>
uv_handle_t* handle_of(State* state) {
  return reinterpret_cast<uv_handle_t*>(&state->handle);
}

// Closes the state's handle; the state is deleted by the close callback.
template <class State>
void close_and_delete(State* state) {
  if (uv_is_closing(handle_of(state))) return;
  uv_close(handle_of(state), [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

}  // namespace pipeline
