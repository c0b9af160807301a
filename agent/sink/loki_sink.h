// LokiSink: numbered batches to a server that speaks Loki's push API.
//
// Life:    create() to destruction on the loop; ports die before it. The store may call back until it is destroyed;
//          such late calls are ignored.
// Thread:  of Sink.
// Limits:  at most kQueueFactor * max_in_flight closed batches before full(), fewer when memory_limit is exceeded. At
//          most kWindow batches are acked beyond one that is not: then full() too, so that the records of acked batches
//          stay few.
// Spool:   what a batch's way is. Without a spool, and with `outage` while the far side answers: straight to the
//          sender. With `always`, and while the far side is away (OutageWatch): to disk first; once synced, nothing is
//          held for a batch any more (its positions pass, its record is acked, its memory is freed). What is on disk is
//          sent oldest first; meanwhile new batches go behind it, but for a share of the window that takes them
//          straight on, as long as the oldest on disk is young enough for a Loki to take it after them.
// Errors:  of BatchSender, which it gives each batch whose record is written.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/batch_sender.h"
#include "agent/sink/closed_batch.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/memory_budget.h"
#include "agent/sink/outage_watch.h"
#include "agent/sink/position_saver.h"
#include "agent/sink/progress.h"
#include "agent/sink/push_port.h"
#include "agent/sink/sink.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "agent/sink/spool_lane.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

// Where the spool of a sink is. Null: it has none, whatever its options say.
struct SpoolPlace {
  pipeline::FileSystem* files = nullptr;
  std::string folder;
};

class LokiSink final : public Sink, private BatchTaker {
 public:
  static constexpr uint64_t kQueueFactor = 2;
  static constexpr uint64_t kWindow = 4096;
  static constexpr uint64_t kMemoryShare = 4;  // of memory_limit a sink's bodies take at most one part, so that a dead
                                               // one leaves room for the others
  static constexpr uint64_t kDirectShare = 4;  // while the spool is sent, 1/4 of the window is for new batches
  // A Loki refuses entries an hour older than the newest of their stream (max_chunk_age / 2).
  static constexpr std::chrono::minutes kYoung{30};

  // `store` knows options.name. A TLS or secret's file that cannot be read is a failed request, tried again.
  static pipeline::Result<std::unique_ptr<LokiSink>> create(pipeline::Loop& loop, SinkOptions options,
                                                            CheckpointStore& store, MemoryBudget& memory,
                                                            const pipeline::Clock& clock, pipeline::Registry& registry,
                                                            SpoolPlace spool = {});
  ~LokiSink() override;

  const std::string& name() const override { return name_; }
  std::unique_ptr<SinkPort> open_port(std::function<void()> on_room) override;
  const std::vector<BatchRecord>& unacked() const override { return unacked_; }
  std::optional<FilePosition> position(FileId file) const override { return progress_.position(file); }
  bool holds(FileId file) const override { return progress_.holds(file); }
  bool spooled(FileId file) const override { return lane_ && lane_->shares().may_hold(file); }
  uint64_t in_spool(FileId file) const override { return lane_ ? lane_->shares().below_position(file) : 0; }
  SpoolVolume spool_waiting() const override;
  void forget(FileId file) override { progress_.forget(file); }
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions options) override;
  void stop(std::chrono::nanoseconds patience, std::function<void()> done) override;
  void finish(std::chrono::nanoseconds patience, std::function<void()> done) override;

 private:
  LokiSink(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store, MemoryBudget& memory,
           const pipeline::Clock& clock, pipeline::Registry& registry);
  pipeline::Result<void> open_spool(SpoolPlace place);
  void hold_unacked(const SinkResume& resume);

  // BatchTaker, on the shards' threads
  BatchNumber next_number() override;
  Compression encoding() const override;
  void take(std::vector<std::unique_ptr<ClosedBatch>> batches) override;
  void give_up(const BatchRecord& record, Progress::Hold hold, const std::vector<FileId>& files) override;
  bool full() const override;
  uint64_t batch_limit() const override { return sender_->batch_limit(); }
  void dropped(FileId file, std::string_view reason, uint64_t bytes, uint64_t end) override;
  void lost(FileId stream, LostEntries lost) override;
  std::vector<LostEntries> take_lost(FileId stream) override;
  void progressed() override { saver_.progressed(); }

  // on the loop
  void post(std::function<void(LokiSink&)> task);  // any thread; run unless the sink is gone by then
  using Batch = SpoolLane::Batch;
  void ready(Batch batch);
  void pump();  // moves on what can move
  void send_more();
  Batch next_to_send();
  bool may_send_directly() const;
  bool backlog_is_young() const;
  void spool_more();
  void answered(const Batch& batch);  // by the far side, for good
  void settle(const Batch& batch);    // the same, once it is known whether the spool has it
  void note_lost(const LostFrame& frame);
  void spooled(const Batch& batch, bool kept);
  void release(const ClosedBatch& batch);  // nothing is held for it any more
  void account(const ClosedBatch& batch, int64_t sign);
  void watch();
  void update_window();
  void call_on_room();
  void change(SinkOptions options);
  bool is_safe() const;
  void patience_over();
  void finish_stop();

  pipeline::Loop& loop_;
  const std::string name_;
  SinkOptions options_;                   // loop
  std::atomic<Compression> compression_;  // of options_, for the shards
  std::atomic<uint64_t> most_closed_;     // likewise: kQueueFactor * max_in_flight
  CheckpointStore& store_;
  MemoryBudget& memory_;
  const pipeline::Clock& clock_;
  SinkMetrics metrics_;
  const Producer producer_;
  const KeptRanges kept_;
  Progress progress_;
  std::vector<BatchRecord> unacked_;                     // constant after create()
  std::map<BatchNumber, Progress::Hold> rebuild_holds_;  // likewise
  std::atomic<uint64_t> last_seq_{0};
  std::atomic<uint64_t> outstanding_batches_{0};  // closed, neither acked nor dropped nor spooled
  std::atomic<uint64_t> outstanding_bytes_{0};    // of their bodies
  std::atomic<bool> window_full_{false};

  PositionSaver saver_;
  std::unique_ptr<BatchSender> sender_;  // constant after create()
  std::unique_ptr<SpoolLane> lane_;      // null: no spool
  std::deque<Batch> ready_;
  std::vector<Batch> under_way_;  // with the sender
  uint64_t direct_ = 0;           // of these: sent past the spool
  OutageWatch watch_;
  pipeline::Timer watch_timer_;
  bool backlog_ = false;   // the spool is to be emptied, and that told
  bool send_all_ = false;  // stopping: what is in the spool too
  bool leaving_ = false;   // stopping: into the spool with the rest
  std::vector<std::function<void()>> on_room_;
  uint64_t newest_hold_ = 0;  // of the batches that became ready
  bool stopped_ = false;      // nothing more is sent
  std::function<void()> stop_done_;
  std::unique_ptr<pipeline::Timer> stop_timer_;
  std::shared_ptr<LokiSink*> self_;
};

}  // namespace agent
