// Committer: makes accepted pushes durable and then visible, many with one sync.
//
// One thread of its own: takes all pushes that wait, appends them to the log as one group, syncs once, adds them to the
// head in the order of their frames, tells the feed, and answers each. While it syncs, the next group gathers.
//
// Life:    stop() (or the destructor) commits what waits and joins the thread. The log, the head and the feed outlive
// it. Thread:  commit(): any; `done` is called on the committer's thread, exactly once, and returns soon. Limits:  no
// bound of its own: callers bound what they hand in, in bytes.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/base/unique_function.h"
#include "server/ingest/commit_feed.h"
#include "server/ingest/head.h"
#include "server/ingest/pushed_entries.h"
#include "server/ingest/wal.h"

namespace server {

class Committer {
 public:
  using Done = pipeline::UniqueFunction<void(pipeline::Result<void>)>;

  Committer(Wal& wal, Head& head, CommitFeed& feed);
  ~Committer();

  // `frame` is the push as the log keeps it, `body_crc` set; `entries` the same decoded. After an error nothing of it
  // is stored. kCancelled after stop().
  void commit(WalFrame frame, PushedEntries entries, Done done);

  void stop();

  // Why the log could not be appended to lately (within kTroubleMemory), or nothing. Thread: any.
  static constexpr std::chrono::seconds kTroubleMemory{10};
  std::optional<std::string> trouble() const;

 private:
  struct Waiting {
    WalFrame frame;
    PushedEntries entries;
    Done done;
  };
  void run();
  void commit_group(std::vector<Waiting> group);

  Wal& wal_;
  Head& head_;
  CommitFeed& feed_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> waiting_;                                     // under mutex_
  bool stopping_ = false;                                            // under mutex_
  std::string trouble_;                                              // under mutex_
  std::optional<std::chrono::steady_clock::time_point> trouble_at_;  // under mutex_
  std::thread thread_;
};

}  // namespace server
