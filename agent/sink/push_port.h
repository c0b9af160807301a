// PushPort: the end of one shard at one Loki sink: fills open batches (one per tenant), closes them by size or time,
// and builds unacked batches of an earlier run again.
//
// Entries made of one line (split_json) are a group: they enter one batch, so that its record, which names lines, gives
// the same entries again. Where they have several tenants, the batches of these are closed and recorded together.
//
// Thread:  the shard's, but full(): any.
// Limits:  an open batch has at most batch_bytes (a single larger entry or group travels alone). At most
//          kMostOpenBatches are open, unless one line has more tenants: the one that is due first makes room. Entries
//          without any label, which no server takes, are dropped and counted (reason="no_labels").
#pragma once

#include <memory>
#include <vector>

#include "agent/sink/closed_batch.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/memory_budget.h"
#include "agent/sink/open_batch.h"
#include "agent/sink/outgoing_labels.h"
#include "agent/sink/progress.h"
#include "agent/sink/sink.h"
#include "agent/sink/sink_metrics.h"
#include "agent/sink/sink_options.h"
#include "pipeline/base/clock.h"

namespace agent {

// Where closed batches go. Thread: any.
class BatchTaker {
 public:
  virtual ~BatchTaker() = default;
  virtual BatchNumber next_number() = 0;
  virtual Compression encoding() const = 0;  // of the next batch; not kAuto
  // Batches whose records are written all or none.
  virtual void take(std::vector<std::unique_ptr<ClosedBatch>> batches) = 0;
  // A batch of an earlier run of which nothing is left.
  virtual void give_up(const BatchRecord& record, Progress::Hold hold, const std::vector<FileId>& files) = 0;
  virtual bool full() const = 0;
  // Beyond batch_bytes: larger bodies were too large for the far side.
  virtual uint64_t batch_limit() const { return ~uint64_t{0}; }
  // Bytes of `file` that end at or before `end` are given up.
  virtual void dropped(FileId, std::string_view /*reason*/, uint64_t /*bytes*/, uint64_t /*end*/) {}
  virtual void lost(FileId /*stream*/, LostEntries) {}  // likewise, of a stream
  virtual std::vector<LostEntries> take_lost(FileId /*stream*/) { return {}; }
  virtual void progressed() = 0;  // a reader has passed bytes
};

// All outlive the port, which keeps a copy of the options.
struct PushPortParts {
  const SinkOptions& options;
  BatchTaker& taker;
  Progress& progress;
  const KeptRanges& kept;
  MemoryBudget& memory;
  SinkMetrics& metrics;
  const pipeline::Clock& clock;
  const std::map<BatchNumber, Progress::Hold>& rebuild_holds;  // of the unacked batches of earlier runs
};

class PushPort final : public SinkPort {
 public:
  static constexpr size_t kMostOpenBatches = 32;  // with 1 MiB each half of the default memory_limit

  explicit PushPort(const PushPortParts& parts);
  ~PushPort() override;

  void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles* elders = nullptr) override;
  const KeptRanges::OfFile* kept(FileId file) const override { return parts_.kept.of(file); }
  std::optional<FilePosition> position(FileId file) const override { return parts_.progress.position(file); }
  std::vector<LostEntries> take_lost(FileId stream) override { return parts_.taker.take_lost(stream); }
  bool full() const override { return parts_.taker.full(); }
  std::optional<std::chrono::nanoseconds> deadline() const override;
  void close_due(std::chrono::nanoseconds now) override;
  void close_all() override;
  std::unique_ptr<Rebuild> rebuild(const BatchRecord& record) override;

 private:
  class RebuiltBatch;
  static constexpr uint64_t kNothing = uint64_t{1} << 63;  // stands before all bytes
  struct Open {
    OpenBatch batch;
    Progress::Hold hold = 0;
    std::chrono::nanoseconds due{0};
    uint64_t counted_bytes = 0;     // in the memory budget
    bool tied = false;              // shares a line with the other tied ones: they are closed together
    bool pinned = false;            // of the group being added: makes no room for others
    uint64_t noted_end = kNothing;  // of the group being added: lines that stand before this are in the record
  };
  // Where entries with one label set go.
  struct Target {
    Open* open = nullptr;  // null: not yet known
    bool nowhere = false;  // no label is left
    uint64_t generation = 0;
    uint32_t stream = 0;
  };
  void renew(const pipeline::LabelTable& table);
  Target& target(const pipeline::LabelTable& table, pipeline::LabelTable::Id id);
  Open& open_for(const std::string& tenant);
  Open* open_to_reuse();
  void add(const pipeline::Batch& batch, size_t row, FileId file);
  void add_group(const pipeline::Batch& batch, size_t begin, size_t end, FileId file);
  void add_to(Target& to, const pipeline::Batch& batch, size_t row, FileId file);
  bool has_room(const Open& open, uint64_t bytes) const;
  bool is_kept(const pipeline::Batch& batch, size_t row, FileId file, const KeptRanges::OfFile* kept) const;
  const std::shared_ptr<const std::string>& record_labels(const pipeline::LabelTable& table,
                                                          pipeline::LabelTable::Id id);
  void note_origins(Open& open, const pipeline::Batch& batch, size_t row, FileId file);
  void close(Open& open);  // and those tied to it
  void count_memory(Open& open);

  const SinkOptions options_;
  const PushPortParts parts_;
  uint64_t batch_bytes_ = options_.batch_bytes;  // or less: of the running append()
  OutgoingLabels outgoing_;
  std::vector<std::unique_ptr<Open>> opens_;                       // one per tenant
  std::vector<Open*> group_opens_;                                 // scratch of add_group()
  std::vector<Target> targets_;                                    // by label set
  std::vector<std::shared_ptr<const std::string>> record_labels_;  // by label set
  SinkMetrics::Volume taken_, unlabelled_;                         // of the running append()
  std::vector<EntryRange> unlabelled_entries_;                     // likewise, of a stream
  const ElderFiles* elders_ = nullptr;                             // likewise
};

}  // namespace agent
