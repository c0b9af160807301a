// Committer: makes accepted pushes durable and then visible, many at once. Two kinds: the write-ahead log with one sync
// (log_committer.h, ack = "disk"), and an object with its row in the catalogue (object_committer.h, ack = "s3").
//
// Thread:  any; `done` is called on a thread of the committer's, exactly once, and returns soon.
// Limits:  no bound of its own: callers bound what they hand in, in bytes.
#pragma once

#include <chrono>
#include <mutex>
#include <optional>
#include <string>

#include "pipeline/base/result.h"
#include "pipeline/base/unique_function.h"
#include "server/ingest/pushed_entries.h"
#include "server/ingest/wal_frame.h"

namespace server {

class Committer {
 public:
  using Done = pipeline::UniqueFunction<void(pipeline::Result<void>)>;

  virtual ~Committer() = default;

  // `frame` is the push as the log keeps it, `body_crc` set; `entries` the same decoded. After an error nothing of it
  // was promised. kCancelled after stop().
  virtual void commit(WalFrame frame, PushedEntries entries, Done done) = 0;

  virtual void stop() = 0;  // commits what waits; may be called twice

  // Lets go of what the log's segment holds as soon as all of it is released (Wal::roll), soon.
  virtual void roll() {}

  // Why nothing could be made durable lately, or nothing.
  virtual std::optional<std::string> trouble() const = 0;
};

// The last thing that went wrong, for as long as it is news. Thread: any.
class RecentTrouble {
 public:
  static constexpr std::chrono::seconds kMemory{10};

  void note(std::string text) {
    std::lock_guard lock(mutex_);
    text_ = std::move(text);
    at_ = std::chrono::steady_clock::now();
  }
  std::optional<std::string> text() const {
    std::lock_guard lock(mutex_);
    if (!at_ || std::chrono::steady_clock::now() - *at_ > kMemory) return std::nullopt;
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;                                         // under mutex_
  std::optional<std::chrono::steady_clock::time_point> at_;  // under mutex_
};

}  // namespace server
