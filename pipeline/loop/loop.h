// Loop: one thread that waits for sockets, timers and signals and calls back. The door to libuv.
//
// Life:    create() on any thread; run() by the thread that from then on is "the loop thread" (until run() is called
//          that is the creating thread). Every Timer, watcher, pool and socket dies before close().
// Thread:  loop, except post(), stop() and is_current() (any).
// Limits:  a callback returns within about a millisecond; longer work goes to a WorkerPool. Loop lag is exported.
// Errors:  close() says kInvalid when something of the loop is still alive; the destructor then stops the program.
#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "pipeline/base/unique_function.h"

namespace pipeline {

using Task = UniqueFunction<void()>;

class Loop {
 public:
  static Result<std::unique_ptr<Loop>> create();
  ~Loop();  // close(), if nobody did
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(). May be called again afterwards.
  void run();

  // One turn: runs what is ready, waits for something to happen first at most `wait`. For tests and blocking helpers.
  void turn(std::chrono::milliseconds wait);

  // Thread: any. run() returns soon; a stop() before run() makes the next run() return after one turn.
  void stop();

  // Thread: any. The only way in from outside. Tasks run in the order they were posted, each exactly once, never inside
  // post() itself; those still waiting in close() are run by it. False (the task is dropped unrun) only after close().
  bool post(Task task);

  bool is_current() const;  // Thread: any.

  // Monotonic time in whole milliseconds, as of the start of this turn: free of a system call.
  std::chrono::milliseconds now() const;

  // Runs waiting tasks, waits for close callbacks, gives everything back to the system. kInvalid: something still
  // lives.
  Result<void> close();

  // Adds PREFIX_loop_lag_seconds: the longest time the loop was busy with one turn since the last reading.
  void export_metrics(Registry& registry, std::string_view prefix);

  struct Impl;  // libuv's side, known to the sources of this room only
  Impl& impl() { return *impl_; }

 private:
  explicit Loop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pipeline
