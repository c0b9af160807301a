#include "pipeline/loop/worker_pool.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <signal.h>
#include <thread>
#include <vector>

namespace pipeline {

struct WorkerPool::Shared : std::enable_shared_from_this<Shared> {
  Shared(Loop& l, std::string n) : loop(l), name(std::move(n)) {}

  Loop& loop;
  const std::string name;
  std::vector<std::thread> threads;  // loop
  size_t thread_count = 0;           // set before any thread starts

  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> queue;      // under mutex
  std::deque<Task> finished;  // under mutex: waiting for the loop
  bool drain_posted = false;  // under mutex
  bool stopping = false;      // under mutex

  void work();
  void finish_on_loop(Task finish, std::unique_lock<std::mutex>& lock);
  void drain();
};

// Called with the lock held; finished tasks share one wake-up of the loop.
void WorkerPool::Shared::finish_on_loop(Task finish, std::unique_lock<std::mutex>& lock) {
  finished.push_back(std::move(finish));
  if (drain_posted) return;
  drain_posted = true;
  lock.unlock();
  loop.post([self = shared_from_this()] { self->drain(); });
  lock.lock();
}

// One at a time, so that a stop() called by one of them finds the others still in the list.
void WorkerPool::Shared::drain() {
  std::unique_lock lock(mutex);
  drain_posted = false;
  while (!finished.empty()) {
    Task finish = std::move(finished.front());
    finished.pop_front();
    lock.unlock();
    finish();
    finish = nullptr;
    lock.lock();
  }
}

void WorkerPool::Shared::work() {
  std::unique_lock lock(mutex);
  while (true) {
    wake.wait(lock, [this] { return stopping || !queue.empty(); });
    if (stopping) return;
    Job job = std::move(queue.front());
    queue.pop_front();
    lock.unlock();
    job.work();
    job.work = nullptr;
    lock.lock();
    finish_on_loop(std::move(job.finish), lock);
  }
}

WorkerPool::WorkerPool(Loop& loop, std::string name, size_t threads)
    : loop_(loop), shared_(std::make_shared<Shared>(loop, std::move(name))) {
  DEBUG_INVARIANT(loop_.is_current());
  INVARIANT(threads > 0);
  shared_->thread_count = threads;
  // Signals belong to the loop's thread: workers never get EINTR.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (size_t i = 0; i < threads; ++i) {
    shared_->threads.emplace_back([shared = shared_.get(), i] {
      pthread_setname_np(pthread_self(), concat(shared->name.substr(0, 12), "-", i).substr(0, 15).c_str());
      shared->work();
    });
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::submit(Job job) {
  std::unique_lock lock(shared_->mutex);
  if (shared_->stopping) {
    shared_->finish_on_loop(std::move(job.finish), lock);
    return;
  }
  shared_->queue.push_back(std::move(job));
  lock.unlock();
  shared_->wake.notify_one();
}

void WorkerPool::stop() {
  DEBUG_INVARIANT(loop_.is_current());
  auto shared = shared_;  // a `done` may destroy this pool
  {
    std::lock_guard lock(shared->mutex);
    shared->stopping = true;
  }
  shared->wake.notify_all();
  for (std::thread& thread : shared->threads) {
    if (thread.joinable()) thread.join();
  }
  {
    std::lock_guard lock(shared->mutex);
    for (Job& job : shared->queue) shared->finished.push_back(std::move(job.finish));
    shared->queue.clear();
  }
  shared->drain();
}

size_t WorkerPool::waiting() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->queue.size();
}

size_t WorkerPool::threads() const { return shared_->thread_count; }

}  // namespace pipeline
