// ObjectCommitter: a push is durable when it is in an object of the store whose row is in the catalogue; only then is
// it visible. Nothing acknowledged lives on this machine's disk alone.
//
// Pushes gather in a buffer. It becomes one L0 object when it has Options::bytes (as sent) or Options::raw_bytes, when
// Options::linger has passed since its first push, or sooner: when every push that the server has taken up is in it and
// none came for Options::quiet, as far as the budget of such early objects allows (Options::early_per_second). So
// senders that wait for their answer are not kept, and busy servers write few objects. Several objects may be on their
// way at once; each is committed, told to the feed and acknowledged by itself.
//
// Life:    stop() (or the destructor) writes what waits and joins the threads. What it is given outlives it.
// Errors:  a failed object or commit is repeated until Options::patience after the buffer's first push; then its pushes
//          get the error. The object may then be there without a row: invisible, and deleted; or, where the program
//          dies before it has noted that, brought in by the next one.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "server/ingest/commit_feed.h"
#include "server/ingest/committer.h"
#include "server/ingest/head.h"
#include "server/ingest/l0_writer.h"

namespace server {

struct ObjectCommitterOptions {
  std::chrono::milliseconds linger{500};
  std::chrono::milliseconds quiet{50};
  uint64_t bytes = 8 << 20;
  uint64_t raw_bytes = 32 << 20;
  double early_per_second = 2;  // objects written before `linger` is over: as many, and a burst of
  double early_burst = 8;
  size_t uploads = 4;                        // objects on their way at once
  std::chrono::milliseconds patience{8000};  // below the 10 s after which Promtail and Alloy give up
  std::chrono::milliseconds retry{250};
};

struct ObjectCommitterDoors {
  ObjectStore& store;
  Catalog& catalog;
  CommitFeed& feed;
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  std::function<size_t()> coming;    // pushes that were taken up and are not handed in yet. Thread: any
  std::function<bool()> may_commit;  // false: keep the buffer for now. Thread: any
};

class ObjectCommitter final : public Committer {
 public:
  // Commits are numbered like frames of a log, from `last_frame` + 1.
  ObjectCommitter(ObjectCommitterDoors doors, ObjectCommitterOptions options, uint64_t last_frame);
  ~ObjectCommitter() override;

  void commit(WalFrame frame, PushedEntries entries, Done done) override;
  void stop() override;
  std::optional<std::string> trouble() const override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Buffer {
    Head head;
    std::vector<Done> pushes;
    uint64_t bytes = 0;
    Time first, last;  // arrivals
  };
  using BufferPtr = std::unique_ptr<Buffer>;

  void run();
  BufferPtr wait_for_buffer();
  bool full() const;
  bool take_early();
  bool due(Time now);
  Time next_look(Time now) const;
  void store(BufferPtr buffer, L0Writer& writer);
  pipeline::Result<void> try_store(const SealedHead& head, L0Writer& writer, std::optional<ObjectRow>& row);
  pipeline::Result<void> commit_row(const SealedHead& head, const ObjectRow& row);

  const ObjectCommitterDoors doors_;
  const ObjectCommitterOptions options_;
  RecentTrouble trouble_;

  std::mutex commit_mutex_;  // commits and their telling, one after the other
  uint64_t last_frame_;      // under commit_mutex_

  mutable std::mutex mutex_;
  std::condition_variable wake_;   // a buffer begins, or stop()
  std::condition_variable grown_;  // the buffer is full, or stop()
  BufferPtr buffer_;               // under mutex_; null: empty
  std::multiset<Time> underway_;   // under mutex_; buffers taken and not acknowledged, by their first push
  bool watched_ = false;           // under mutex_; a thread waits for the buffer to be due
  bool stopping_ = false;          // under mutex_
  double early_ = 0;               // under mutex_; objects that may be written early
  Time early_at_;                  // under mutex_; when that was so

  pipeline::Counter& objects_;
  pipeline::Counter& early_objects_;
  pipeline::Counter& failures_;
  pipeline::Counter& entries_;
  pipeline::Counter& object_bytes_;
  pipeline::Histogram& seconds_;
  std::vector<std::thread> threads_;
};

}  // namespace server
