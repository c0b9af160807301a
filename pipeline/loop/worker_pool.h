// WorkerPool: named threads for work that would hold the loop up; results come back to the loop.
//
//   pool.run([file] { return read_all(file); },                       // on a worker; returns T, Result<T> or nothing
//            [this](Result<std::string> bytes) { on_read(bytes); });  // on the loop, exactly once
//
// Life:    stop() (or the destructor) lets running work finish, answers the waiting work with kCancelled, joins the
//          threads and has every `done` called before it returns. The loop outlives the pool.
// Thread:  run() any; stop(), destruction: loop.
// Limits:  the queue has no bound of its own: callers bound what they hand in, in bytes. A pool of one thread keeps the
//          order of its tasks.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>

#include "pipeline/loop/loop.h"

namespace pipeline {

namespace worker_detail {
template <class T>
struct ResultOf {
  using type = Result<T>;
};
template <class T>
struct ResultOf<Result<T>> {
  using type = Result<T>;
};
}  // namespace worker_detail

class WorkerPool {
 public:
  WorkerPool(Loop& loop, std::string name, size_t threads);  // name: at most 12 bytes are shown by the system
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Thread: any. `done` gets what `work` returned, or kCancelled if the pool stopped first.
  template <class Work, class Done>
  void run(Work work, Done done) {
    using Value = std::invoke_result_t<Work&>;
    using Outcome = typename worker_detail::ResultOf<Value>::type;
    struct State {
      std::optional<Work> work;
      Done done;
      std::optional<Outcome> outcome;
    };
    auto state = std::make_unique<State>(State{std::move(work), std::move(done), std::nullopt});
    State* s = state.get();
    submit({.work =
                [s] {
                  if constexpr (std::is_void_v<Value>) {
                    (*s->work)();
                    s->outcome.emplace();
                  } else {
                    s->outcome.emplace((*s->work)());
                  }
                  s->work.reset();  // what it captured is freed here, not on the loop
                },
            .finish =
                [owned = std::move(state)] {
                  if (!owned->outcome) owned->outcome.emplace(fail(Errc::kCancelled, "the worker pool is stopping"));
                  owned->done(std::move(*owned->outcome));
                }});
  }

  void stop();  // may be called twice

  size_t waiting() const;  // Thread: any. Tasks not yet begun.
  size_t threads() const;  // Thread: any.

 private:
  struct Job {
    Task work;    // on a worker, at most once
    Task finish;  // on the loop, exactly once
  };
  void submit(Job job);

  struct Shared;
  Loop& loop_;
  std::shared_ptr<Shared> shared_;
};

}  // namespace pipeline
