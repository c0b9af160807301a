#include "pipeline/loop/loop.h"

#include <algorithm>
#include <csignal>

#include "pipeline/base/log.h"
#include "pipeline/loop/loop_impl.h"

namespace pipeline {

Error uv_error(std::string_view what, int status) {
  return Error{Errc::kUnavailable, concat(what, ": ", uv_strerror(status))};
}

char* Loop::Impl::buffer() {
  if (!read_buffer) read_buffer = std::make_unique_for_overwrite<char[]>(kReadBufferBytes);
  return read_buffer.get();
}

void Loop::Impl::run_tasks() {
  // One round per wake-up: tasks posted by these tasks wait for the next turn, so that sockets are served in between.
  {
    std::lock_guard lock(mutex);
    for (Task& task : tasks) in_hand.push_back(std::move(task));
    tasks.clear();
  }
  while (!in_hand.empty()) {
    Task task = std::move(in_hand.front());
    in_hand.pop_front();
    task();
  }
}

void Loop::Impl::measure_lag() {
  const uint64_t now_ns = uv_hrtime();
  const uint64_t idle_ns = uv_metrics_idle_time(&loop);
  const uint64_t turn_ns = now_ns - turn_began_ns;
  const uint64_t slept_ns = idle_ns - turn_idle_ns;
  const uint64_t busy_ns = turn_ns > slept_ns ? turn_ns - slept_ns : 0;
  if (turn_began_ns != 0 && busy_ns > longest_busy_ns->load(std::memory_order_relaxed)) {
    longest_busy_ns->store(busy_ns, std::memory_order_relaxed);
  }
  turn_began_ns = now_ns;
  turn_idle_ns = idle_ns;
}

Loop::Loop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Loop>> Loop::create() {
  // A write to a closed socket must be an error of that socket, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  auto impl = std::make_unique<Impl>();
  if (int status = uv_loop_init(&impl->loop); status != 0) return fail(uv_error("start the event loop", status));
  int status = uv_async_init(&impl->loop, &impl->wake, [](uv_async_t* wake) {
    auto* self = static_cast<Impl*>(wake->data);
    self->run_tasks();
    if (self->stop_asked.exchange(false)) uv_stop(&self->loop);
  });
  if (status != 0) {
    uv_loop_close(&impl->loop);
    return fail(uv_error("start the event loop", status));
  }
  impl->wake.data = impl.get();
  uv_timer_init(&impl->loop, &impl->turn_timer);
  uv_prepare_init(&impl->loop, &impl->lag_prepare);
  impl->lag_prepare.data = impl.get();
  return std::unique_ptr<Loop>(new Loop(std::move(impl)));
}

Loop::~Loop() {
  auto closed = close();
  if (!closed) log_error("loop", {{"error", closed.error()}});
  INVARIANT(closed.has_value());
}

void Loop::run() {
  impl_->thread = std::this_thread::get_id();
  uv_run(&impl_->loop, UV_RUN_DEFAULT);
}

void Loop::turn(std::chrono::milliseconds wait) {
  impl_->thread = std::this_thread::get_id();
  if (wait.count() <= 0) {
    uv_run(&impl_->loop, UV_RUN_NOWAIT);
    return;
  }
  uv_update_time(&impl_->loop);
  uv_timer_start(
      &impl_->turn_timer, [](uv_timer_t*) {}, static_cast<uint64_t>(wait.count()), 0);
  uv_run(&impl_->loop, UV_RUN_ONCE);
  uv_timer_stop(&impl_->turn_timer);
}

void Loop::stop() {
  impl_->stop_asked = true;
  std::lock_guard lock(impl_->mutex);
  if (impl_->takes_tasks) uv_async_send(&impl_->wake);
}

bool Loop::post(Task task) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->takes_tasks) return false;
  impl_->tasks.push_back(std::move(task));
  if (impl_->tasks.size() == 1) uv_async_send(&impl_->wake);
  return true;
}

bool Loop::is_current() const { return impl_->thread.load() == std::this_thread::get_id(); }

std::chrono::milliseconds Loop::now() const { return std::chrono::milliseconds(uv_now(&impl_->loop)); }

Result<void> Loop::close() {
  if (impl_->closed) return {};
  impl_->thread = std::this_thread::get_id();
  for (bool empty = false; !empty;) {
    impl_->run_tasks();
    std::lock_guard lock(impl_->mutex);
    empty = impl_->tasks.empty();
    if (empty) impl_->takes_tasks = false;
  }
  for (uv_handle_t* own :
       {reinterpret_cast<uv_handle_t*>(&impl_->wake), reinterpret_cast<uv_handle_t*>(&impl_->turn_timer),
        reinterpret_cast<uv_handle_t*>(&impl_->lag_prepare)}) {
    if (!uv_is_closing(own)) uv_close(own, nullptr);
  }
  // Each turn runs the close callbacks of the one before; a few chains deep is all there is.
  int status = UV_EBUSY;
  for (int turns = 0; turns < 16 && status == UV_EBUSY; ++turns) {
    uv_run(&impl_->loop, UV_RUN_NOWAIT);
    status = uv_loop_close(&impl_->loop);
  }
  if (status != 0) {
    size_t open_handles = 0;
    uv_walk(
        &impl_->loop, [](uv_handle_t*, void* count) { ++*static_cast<size_t*>(count); }, &open_handles);
    return fail(Errc::kInvalid, concat("close the event loop: ", open_handles, " of its objects are still alive"));
  }
  impl_->closed = true;
  return {};
}

void Loop::export_metrics(Registry& registry, std::string_view prefix) {
  uv_loop_configure(&impl_->loop, UV_METRICS_IDLE_TIME);
  uv_prepare_start(&impl_->lag_prepare, [](uv_prepare_t* p) { static_cast<Impl*>(p->data)->measure_lag(); });
  registry.gauge_callback(
      concat(prefix, "_loop_lag_seconds"), "Longest time the event loop was busy with one turn since the last reading.",
      [longest = impl_->longest_busy_ns] { return static_cast<double>(longest->exchange(0)) / 1e9; });
}

}  // namespace pipeline
