// Flusher: writes the head as objects, commits them to the catalogue and lets the log forget their frames.
//
// One thread of its own. A flush begins when Options::interval has passed since the last, when the head has grown to
// Options::bytes, or when asked. Steps: seal the head; write and sync one L0 object of all its tenants (sorted, equal
// entries dropped); one catalogue transaction: object, batch numbers, number of the last frame; drop the sealed head;
// delete log segments. A crash between any two of them loses and doubles nothing: the replay begins after the frame
// that the catalogue names, and an object without a row is not visible.
//
// Life:    stop() (or the destructor) flushes what is there, once, and joins the thread.
// Thread:  poke(), flush_now(): any.
// Errors:  a flush that failed is repeated after Options::retry; the entries stay in the head and in the log.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/unique_function.h"
#include "server/catalog/catalog.h"
#include "server/ingest/flush_mark.h"
#include "server/ingest/head.h"
#include "server/ingest/l0_writer.h"
#include "server/ingest/wal.h"
#include "server/store/object_store.h"

namespace server {

struct FlusherOptions {
  std::chrono::milliseconds interval{5000};
  uint64_t bytes = 32 << 20;  // raw bytes of the growing head
  std::chrono::milliseconds retry{1000};
};

class Flusher {
 public:
  using Done = pipeline::UniqueFunction<void(pipeline::Result<void>)>;

  // `released` is called after each flush, on the flusher's thread: the head became smaller. `mark`: where an earlier
  // run's frames may be left.
  Flusher(Head& head, Wal& wal, ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
          pipeline::Registry& registry, FlusherOptions options, std::function<void()> released,
          FlushMark* mark = nullptr);
  ~Flusher();

  void poke();  // the head has grown to Options::bytes

  // Flushes everything that is in the head now. `done` is called once, on the flusher's thread, with the error of the
  // first try that failed.
  void flush_now(Done done);

  void stop();

 private:
  void run();
  bool due() const;
  void flush_round(std::vector<Done> requests);
  pipeline::Result<void> flush();

  Head& head_;
  Wal& wal_;
  Catalog& catalog_;
  const FlusherOptions options_;
  const std::function<void()> released_;
  FlushMark* const mark_;
  L0Writer writer_;

  std::optional<ObjectRow> written_;  // of the sealed head, its commit unknown or still to do
  bool retrying_ = false;             // the sealed head is one that failed before
  std::chrono::steady_clock::time_point next_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Done> requests_;  // under mutex_
  bool poked_ = false;          // under mutex_
  bool stopping_ = false;       // under mutex_
  std::thread thread_;

  pipeline::Counter& flushes_;
  pipeline::Counter& failures_;
  pipeline::Counter& entries_;
  pipeline::Counter& object_bytes_;
  pipeline::Histogram& seconds_;
};

}  // namespace server
