#include "server/ingest/flusher.h"

#include <pthread.h>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"

namespace server {

using pipeline::Errc;
using pipeline::failpoint;
using pipeline::log_info;
using pipeline::log_warn;
using pipeline::pass_failpoint;
using pipeline::Result;

Flusher::Flusher(Head& head, Wal& wal, ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                 pipeline::Registry& registry, FlusherOptions options, std::function<void()> released, FlushMark* mark)
    : head_(head),
      wal_(wal),
      catalog_(catalog),
      options_(options),
      released_(std::move(released)),
      mark_(mark),
      writer_(store, catalog, clock, registry),
      next_(std::chrono::steady_clock::now() + options.interval),
      flushes_(registry.counter("skidway_server_flushes_total", "Flushes of the head that are committed")),
      failures_(registry.counter("skidway_server_flush_failures_total", "Flushes that failed and are repeated")),
      entries_(registry.counter("skidway_server_flushed_entries_total", "Entries written into L0 objects")),
      object_bytes_(registry.counter("skidway_server_flushed_object_bytes_total", "Bytes of L0 objects written")),
      seconds_(registry.histogram("skidway_server_flush_seconds", "Time of one flush", pipeline::latency_buckets())) {
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "flush");
}

Flusher::~Flusher() { stop(); }

void Flusher::poke() {
  std::lock_guard lock(mutex_);
  poked_ = true;
  wake_.notify_one();
}

void Flusher::flush_now(Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      requests_.push_back(std::move(done));
      wake_.notify_one();
      return;
    }
  }
  done(pipeline::fail(Errc::kCancelled, "the server is stopping"));
}

void Flusher::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Flusher::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    // After a failure a growing head must not make it try without end: only time and requests count then.
    wake_.wait_until(lock, next_, [&] { return stopping_ || (poked_ && !retrying_) || !requests_.empty(); });
    bool last = stopping_;
    poked_ = false;
    auto requests = std::exchange(requests_, {});
    lock.unlock();
    flush_round(std::move(requests));
    if (last) return;
    lock.lock();
  }
}

// A request means what was in the head when it was made: the piece being retried, if any, and the one that grew.
void Flusher::flush_round(std::vector<Done> requests) {
  bool again = std::exchange(retrying_, false);
  auto flushed = flush();
  if (flushed && again) flushed = flush();
  retrying_ = !flushed;
  for (Done& done : requests) done(flushed);
  next_ = std::chrono::steady_clock::now() + (flushed ? options_.interval : options_.retry);
}

Result<void> Flusher::flush() {
  auto sealed = head_.seal();
  if (!sealed) return {};
  TRY(failpoint("flush.sealed"));
  auto start = std::chrono::steady_clock::now();
  uint64_t through = mark_ ? mark_->before_commit(sealed->last_frame) : sealed->last_frame;
  auto flushed = [&]() -> Result<void> {
    if (!written_ && !sealed->tenants.empty()) { TRY_LET(written_, writer_.write(*sealed, through)); }
    auto batches = ranges_of(*sealed);
    auto objects = written_ ? std::span<const ObjectRow>(&*written_, 1) : std::span<const ObjectRow>();
    TRY(failpoint("flush.before_commit"));
    TRY(catalog_.commit_l0(objects, batches, through));
    return failpoint("flush.after_commit");
  }();
  if (!flushed) {
    failures_.add();
    if (flushed.error().code == Errc::kInvalid && written_) {  // certainly not committed
      (void)catalog_.abandon_output(written_->summary.object);
      written_.reset();
    }
    log_warn("flush failed, will be repeated", {{"entries", sealed->entries}, {"error", flushed.error()}});
    return flushed;
  }
  if (written_) {
    entries_.add(written_->summary.rows);
    object_bytes_.add(written_->summary.size);
  }
  written_.reset();
  flushes_.add();
  seconds_.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  // Without it the frames are replayed once more, which changes no answer.
  if (uint64_t late = mark_ ? mark_->after_commit(sealed->last_frame, through) : 0; late != 0) {
    if (auto told = catalog_.commit_l0({}, {}, late)) through = late;
  }
  sealed.reset();  // so that the next line gives its memory back, before anybody is told of room
  head_.drop_sealed();
  pass_failpoint("flush.before_release");
  wal_.release_through(through);
  pass_failpoint("flush.after_release");
  released_();
  return {};
}

}  // namespace server
