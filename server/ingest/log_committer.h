// LogCommitter: a push is durable when it is in the write-ahead log and synced; it is then visible in the head.
//
// One thread of its own: takes all pushes that wait, appends them to the log as one group, syncs once, adds them to the
// head in the order of their frames, tells the feed, and answers each. While it syncs, the next group gathers.
//
// Life:    stop() (or the destructor) commits what waits and joins the thread. The log, the head and the feed outlive
//          it.
#pragma once

#include <condition_variable>
#include <thread>
#include <vector>

#include "server/ingest/commit_feed.h"
#include "server/ingest/committer.h"
#include "server/ingest/head.h"
#include "server/ingest/wal.h"

namespace server {

class LogCommitter final : public Committer {
 public:
  LogCommitter(Wal& wal, Head& head, CommitFeed& feed);
  ~LogCommitter() override;

  void commit(WalFrame frame, PushedEntries entries, Done done) override;
  void stop() override;
  void roll() override;
  std::optional<std::string> trouble() const override { return trouble_.text(); }

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
  RecentTrouble trouble_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> waiting_;  // under mutex_
  bool stopping_ = false;         // under mutex_
  bool roll_ = false;             // under mutex_
  std::thread thread_;
};

}  // namespace server
