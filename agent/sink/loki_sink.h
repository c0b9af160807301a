// LokiSink: numbered batches to a server that speaks Loki's push API.
//
// Life:    create() to destruction on the loop; ports die before it. The store may call back until it is destroyed;
//          such late calls are ignored.
// Thread:  of Sink.
// Limits:  at most kQueueFactor * max_in_flight closed batches before full(), fewer when memory_limit is exceeded. At
//          most kWindow batches are acked beyond one that is not: then full() too, so that the records of acked batches
//          stay few.
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
#include "agent/sink/position_saver.h"
#include "agent/sink/progress.h"
#include "agent/sink/push_port.h"
#include "agent/sink/sink.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"

namespace agent {

class LokiSink final : public Sink, private BatchTaker {
 public:
  static constexpr uint64_t kQueueFactor = 2;
  static constexpr uint64_t kWindow = 4096;
  static constexpr uint64_t kMemoryShare = 4;  // of memory_limit a sink's bodies take at most one part, so that a dead
                                               // one leaves room for the others

  // `store` knows options.name. A TLS or secret's file that cannot be read is a failed request, tried again.
  static pipeline::Result<std::unique_ptr<LokiSink>> create(pipeline::Loop& loop, SinkOptions options,
                                                            CheckpointStore& store, MemoryBudget& memory,
                                                            const pipeline::Clock& clock, pipeline::Registry& registry);
  ~LokiSink() override;

  const std::string& name() const override { return name_; }
  std::unique_ptr<SinkPort> open_port(std::function<void()> on_room) override;
  const std::vector<BatchRecord>& unacked() const override { return unacked_; }
  std::optional<FilePosition> position(FileId file) const override { return progress_.position(file); }
  bool holds(FileId file) const override { return progress_.holds(file); }
  void forget(FileId file) override { progress_.forget(file); }
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions options) override;
  void stop(std::chrono::nanoseconds patience, std::function<void()> done) override;

 private:
  LokiSink(pipeline::Loop& loop, SinkOptions options, CheckpointStore& store, MemoryBudget& memory,
           const pipeline::Clock& clock, pipeline::Registry& registry);
  void hold_unacked(const SinkResume& resume);

  // BatchTaker, on the shards' threads
  BatchNumber next_number() override;
  Compression encoding() const override;
  void take(std::vector<std::unique_ptr<ClosedBatch>> batches) override;
  void give_up(const BatchRecord& record, Progress::Hold hold, const std::vector<FileId>& files) override;
  bool full() const override;
  uint64_t batch_limit() const override { return sender_->batch_limit(); }
  void dropped(FileId file, std::string_view reason, uint64_t bytes, uint64_t end) override;
  void progressed() override { saver_.progressed(); }

  // on the loop
  void post(std::function<void(LokiSink&)> task);  // any thread; run unless the sink is gone by then
  void ready(std::shared_ptr<ClosedBatch> batch);
  void send_more();
  void settle(const ClosedBatch& batch);  // acked or dropped: it waits no more
  void account(const ClosedBatch& batch, int64_t sign);
  void update_window();
  void call_on_room();
  void change(SinkOptions options);
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
  std::vector<BatchRecord> unacked_;                     // constant after the constructor
  std::map<BatchNumber, Progress::Hold> rebuild_holds_;  // likewise
  std::atomic<uint64_t> last_seq_{0};
  std::atomic<uint64_t> outstanding_batches_{0};  // closed, neither acked nor dropped
  std::atomic<uint64_t> outstanding_bytes_{0};    // of their bodies
  std::atomic<bool> window_full_{false};

  PositionSaver saver_;
  std::unique_ptr<BatchSender> sender_;  // constant after create()
  std::deque<std::shared_ptr<ClosedBatch>> ready_;
  std::vector<std::function<void()>> on_room_;
  uint64_t newest_hold_ = 0;  // of the batches that became ready
  bool stopped_ = false;      // nothing more is sent
  std::function<void()> stop_done_;
  std::unique_ptr<pipeline::Timer> stop_timer_;
  std::shared_ptr<LokiSink*> self_;
};

}  // namespace agent
