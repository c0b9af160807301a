// SpoolLane: a sink's batches on their way through its spool: to disk, and back from there in their order.
//
// Life:    open() to destruction on the loop; close() ends it, without a call for what is under way.
// Thread:  loop.
// Limits:  reads at most kAheadBytes ahead of what is sent, and one batch.
// Errors:  what cannot be spooled (no room, a full disk) is handed back by `refused`, told once a while, and may be
//          tried again when ready_for_more().
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/sink/closed_batch.h"
#include "agent/sink/spool_shares.h"
#include "agent/spool/spool.h"
#include "pipeline/base/log.h"
#include "pipeline/loop/timer.h"

namespace agent {

class SpoolLane {
 public:
  static constexpr uint64_t kAheadBytes = 1 << 20;
  using Batch = std::shared_ptr<ClosedBatch>;

  struct Hooks {
    // It survives a power cut now. `kept`: it stays in memory and next() gives it, or its sender has it.
    std::function<void(const Batch& batch, bool kept)> spooled;
    std::function<void(std::deque<Batch> batches)> refused;  // of those that waited, in their order
    std::function<void(const Batch& batch)> arrived;         // read back: in memory from now on
    std::function<void(const Batch& batch)> answered;        // while it was being written; it has `spooled` if it was
    SpoolShares::Position position;
    Spool::Hooks spool;
    std::function<void()> moved;  // there may be something to send, or room
  };

  static pipeline::Result<std::unique_ptr<SpoolLane>> open(SpoolParts parts, std::string sink, Producer producer,
                                                           std::string folder, SpoolOptions options, Hooks hooks);

  // Those of `numbers` that need not be built again. Blocks; before anything else is asked.
  std::set<BatchNumber> find(const std::set<BatchNumber>& numbers) { return spool_->find(numbers); }

  // `under_way`: the sender has them, and keeps them. `waiting`: with keep, they stay in memory to be sent from there.
  void append(std::vector<Batch> under_way, std::deque<Batch> waiting, bool keep);
  bool ready_for_more() const;  // append() may be called

  void nothing_waits();                               // to be spooled: what was refused went another way
  Batch next();                                       // the next to send, oldest first; null: none is in memory yet
  bool has_ahead() const { return !ahead_.empty(); }  // next() gives one
  void leave_disk() { leaves_disk_ = true; }          // nothing is read any more: it is for the next start
  bool empty() const;                                 // nothing waits here
  // Batches may be kept in memory: none on disk come before them.
  bool has_room_ahead() const { return !spool_->has_frames() && !spool_->taking() && ahead_bytes_ < kAheadBytes; }
  // A spooled one was answered. Returns what was lost of it.
  LostFrame done(const ClosedBatch& batch);
  std::optional<pipeline::UnixNanos> oldest() const { return spool_->status().oldest; }
  const SpoolShares& shares() const { return shares_; }
  const Spool::Status& status() const { return spool_->status(); }
  void for_each(const std::function<void(const Batch&)>& what) const;  // batch that is here in memory
  void change(SpoolOptions options);
  void trim() { spool_->trim(); }
  void close();

 private:
  SpoolLane(SpoolParts parts, std::string sink, Producer producer, Hooks hooks);
  Spool::Hooks spool_hooks();
  bool is_of_this_run(BatchNumber number) const { return number.epoch == producer_.epoch; }
  SpoolFrame frame_of(ClosedBatch& batch) const;
  Batch batch_of(SpoolLog::Taken taken) const;
  void on_appended(pipeline::Result<Spool::Appended> appended);
  void read_ahead();

  const SpoolParts parts_;
  const std::string sink_;
  const Producer producer_;
  const Hooks hooks_;
  SpoolShares shares_;
  std::unique_ptr<Spool> spool_;
  std::vector<Batch> entering_;  // being written: those under way first
  size_t entering_under_way_ = 0;
  bool entering_kept_ = false;
  std::deque<Batch> ahead_;
  uint64_t ahead_bytes_ = 0;
  bool closed_ = false, leaves_disk_ = false;
  pipeline::Timer again_;  // runs after a refusal
  uint64_t refused_at_bytes_ = 0;
  pipeline::LogLimiter refused_log_{std::chrono::seconds(30)};
  pipeline::Gauge& paused_;
};

}  // namespace agent
