// Ingest: takes pushes and keeps them: decoder, log or objects (AckMode), head and flusher, joined. What queries read
// begins here too.
//
// Life:    open(), then pushes may come. A small log of an earlier run is replayed before; a large one goes on being
//          replayed behind open(), which waits for it for IngestOptions::replay_wait at most: meanwhile views are
//          incomplete and say so. stop() in this order: pushes on their way are finished, the head is flushed. The
//          doors outlive it.
// Thread:  loop, unless said otherwise.
// Errors:  open(): of the log's folder, the store and the catalogue.
#pragma once

#include <memory>
#include <string>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/worker_pool.h"
#include "server/catalog/catalog.h"
#include "server/ingest/commit_feed.h"
#include "server/ingest/flusher.h"
#include "server/ingest/log_committer.h"
#include "server/ingest/object_committer.h"
#include "server/ingest/push_handler.h"
#include "server/ingest/read_view.h"
#include "server/ingest/recovery.h"
#include "server/store/object_store.h"

namespace server {

// What must have happened before a push is answered 204.
enum class AckMode {
  kDisk,   // its body is synced in the write-ahead log of this machine
  kStore,  // its entries are in an object, and the object is in the catalogue
};

struct IngestOptions {
  AckMode ack = AckMode::kDisk;
  std::string wal_folder;
  uint64_t segment_bytes = 32 << 20;
  size_t workers = 2;
  std::chrono::milliseconds replay_wait{1000};
  FlusherOptions flush;
  ObjectCommitterOptions objects;  // of AckMode::kStore
  PushHandlerOptions push;
};

struct IngestDoors {
  pipeline::Loop& loop;
  pipeline::FileSystem& files;
  ObjectStore& store;
  Catalog& catalog;
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  const LimitTable& limits;
};

class Ingest {
 public:
  static pipeline::Result<std::unique_ptr<Ingest>> open(IngestDoors doors, IngestOptions options);
  ~Ingest();  // stop()

  void handle_push(PushProtocol protocol, std::string tenant, pipeline::HttpRequest request,
                   pipeline::HttpResponder responder);

  // Thread: any. `done`, on a thread of ours, when everything acknowledged until now is in the store and in the
  // catalogue.
  void flush(Flusher::Done done);
  // As well, and none of it will be replayed from the log: so what is deleted of it stays deleted. kUnavailable, at
  // once: an earlier run's log is not wholly in objects yet, try again.
  void settle(Flusher::Done done);

  // What was flushed leaves the log, too, soon. Thread: any.
  void roll_log() { committer_->roll(); }

  // Thread: any, but a worker: reads the catalogue.
  pipeline::Result<ReadView> view(std::string_view tenant) const;

  CommitFeed& feed() { return feed_; }  // of what becomes visible from now on

  // Where acknowledged pushes are durable: "wal" or "store".
  std::string_view durable_place() const { return options_.ack == AckMode::kDisk ? "wal" : "store"; }
  // Why pushes could not be made durable lately, or nothing. Thread: any.
  std::optional<std::string> trouble() const;

  // "12 of 480 MB of the log are read" while an earlier run's log is replayed. Thread: any.
  std::optional<std::string> replay_progress() const { return recovery_ ? recovery_->progress() : std::nullopt; }

  void refuse() { push_handler_->stop(); }  // takes no more pushes (503); what is held back is answered
  // refuse(), answers pushes on their way, flushes. Blocks as long as that takes. May be called twice.
  void stop();

 private:
  Ingest(IngestDoors doors, IngestOptions options);
  std::unique_ptr<Committer> make_committer(uint64_t flushed_frame);
  std::unique_ptr<Recovery> make_recovery();
  pipeline::Result<void> open_log(uint64_t flushed_frame);
  pipeline::Result<void> replay_frame(WalFrame frame, Head& head, std::shared_ptr<ColumnPool> pool);
  bool log_is_stored() const;
  uint64_t held_bytes() const;

  const IngestDoors doors_;
  const IngestOptions options_;
  StreamTable streams_;
  StreamTable replayed_streams_;  // what was accepted once is not judged again
  PushRuleBook replayed_rules_;
  BatchNumbers numbers_;
  Head head_;
  CommitFeed feed_;
  std::unique_ptr<Wal> wal_;
  bool log_left_ = false;  // more than is replayed at once
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<pipeline::WorkerPool> workers_;
  std::unique_ptr<PushHandler> push_handler_;
  std::unique_ptr<FlushMark> mark_;
  std::unique_ptr<Flusher> flusher_;
  std::unique_ptr<Recovery> recovery_;  // null: the log was small
};

}  // namespace server
