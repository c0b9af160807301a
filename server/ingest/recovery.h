// Recovery: brings what an earlier run left in the log back into sight and into objects, while pushes and queries go
// on.
//
// One thread of its own reads the log in order into a head of its own, which a flusher of its own writes as objects; it
// waits where that head is full. Until the last frame is in sight (replaying()) queries lack acknowledged entries and
// say so; until all of it is in objects (done()) the catalogue hears nothing of the numbers of later frames, so a crash
// replays those too, and equal entries count once.
//
// Life:    stop() (or the destructor) ends it between two frames; the next start goes on there. What it is given
// outlives
//          it.
// Thread:  any, but stop().
// Limits:  memory: Options::head_bytes, and one push.
// Errors:  a log that cannot be read stays as it is, and queries stay partial: trouble() says why.
#pragma once

#include <atomic>
#include <condition_variable>
#include <optional>
#include <string>
#include <thread>

#include "server/ingest/flush_mark.h"
#include "server/ingest/flusher.h"

namespace server {

struct RecoveryOptions {
  uint64_t head_bytes = 40 << 20;
  std::chrono::milliseconds retry{1000};
};

class Recovery {
 public:
  // Decodes it with memory of the pool, adds it to the head.
  using AddFrame = std::function<pipeline::Result<void>(WalFrame, Head&, const std::shared_ptr<ColumnPool>&)>;

  struct Doors {
    Wal& wal;
    ObjectStore& store;
    Catalog& catalog;
    const pipeline::Clock& clock;
    pipeline::Registry& registry;
    FlushMark& mark;
    AddFrame add;
    std::function<void()> released;  // the head became smaller
  };

  Recovery(Doors doors, RecoveryOptions options);
  ~Recovery();

  bool replaying() const { return replaying_; }
  bool done() const { return done_; }
  // "12 of 480 MB of the log are read", or nothing when all is in sight.
  std::optional<std::string> progress() const;
  std::optional<std::string> trouble() const;

  bool wait_for_replay(std::chrono::milliseconds at_most);  // true: everything is in sight
  const Head& head() const { return head_; }
  void flush(Flusher::Done done) { flusher_.flush_now(std::move(done)); }

  void stop();  // may be called twice

 private:
  void run();
  pipeline::Result<void> wait_for_room();
  void on_released();
  bool flush_all();
  pipeline::Result<void> finish();
  bool pause();

  const Doors doors_;
  const RecoveryOptions options_;
  const std::shared_ptr<ColumnPool> columns_ = std::make_shared<ColumnPool>();
  Head head_;
  Flusher flusher_;
  std::atomic<bool> replaying_{true}, done_{false}, stopping_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string trouble_;  // under mutex_
  std::thread thread_;
};

}  // namespace server
