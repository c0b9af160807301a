// StageList: the stages of one source, compiled from its [[source.stage]] tables; StageState: what they remember of one
// tailed file (or one other input).
//
//   auto stages = StageList::build(source_table, "stage");      // errors go to the document of the table
//   auto state = stages->make_state();                          // one per file
//   stages->process(batch, *state, drops);                      // per block
//   stages->flush(batch, *state, drops);                        // the file is read to its end and gone
//
// After a crash the ranges of a recorded batch are fed, in order, to a fresh state and then flushed: the same entries
// come out. A joined CRI entry names each of its raw lines as an origin, in file order.
//
// Life:    a StageList is immutable and shared; it outlives its states.
// Thread:  a StageState has one owner at a time; the list may be used by many threads.
// Limits:  a CRI partial line is at most kMaxPartialBytes; it is passed on as it is when it would grow beyond
// (counted).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/stage/stage.h"

namespace pipeline {

class StageState {
 public:
  // The first byte of the file that is in an entry not yet handed on: a checkpoint never passes it.
  std::optional<uint64_t> open_from() const;
  // Bytes of memory that entries not yet handed on take.
  size_t held_bytes() const;
  // See StageMemory.
  void move_back(uint64_t bytes);
  // Whether the next line may belong to one that came before.
  bool expects_more() const;
  // The wall clock time at which StageList::expire() has something to hand on.
  std::optional<UnixNanos> due() const;
  // The wall clock time before which the reader should read no more lines of the file: a stage limits the rate.
  std::optional<UnixNanos> resume_at() const;

 private:
  friend class StageList;
  std::vector<std::unique_ptr<StageMemory>> memories_;  // one per stage
};

class StageList {
 public:
  explicit StageList(std::vector<std::unique_ptr<Stage>> stages);

  // Compiles the tables `owner.tables(key)`. Faults (an unknown stage, a missing argument, a bad expression) are added
  // to the document with their position; the list is then incomplete and not to be run.
  static std::shared_ptr<const StageList> build(const ConfigTable& owner, std::string_view key);

  bool empty() const { return stages_.empty(); }
  size_t size() const { return stages_.size(); }
  std::unique_ptr<StageState> make_state(StageUse use = StageUse::kLive) const;

  // Rewrites `batch` in place. Stages that need a clock take the read time of the entry's last origin.
  void process(Batch& batch, StageState& state, DropCounts& drops) const;

  // Appends everything `state` still holds to `batch` (empty, or with entries that went through process()). Texts lie
  // in the batch's arena. The state is then as fresh.
  void flush(Batch& batch, StageState& state, DropCounts& drops) const;

  // The same for what has been held until `now` at the latest (a multiline block whose next line does not come). The
  // state keeps the rest.
  void expire(Batch& batch, StageState& state, UnixNanos now, DropCounts& drops) const;

  // Adds what the stages count themselves (metrics, limit, truncate, redact), under Alloy's names; DropCounts are not
  // among it. Thread: any, also while others process.
  void append_metrics(MetricPage& page, UnixNanos now) const;

  // Appends what each stage of `state` holds, without sending it through the stages behind; its origins name the raw
  // lines. For a change of the stages: these lines are then given to others. The state is done with.
  void take_held(Batch& batch, StageState& state) const;

  void add_reads(FieldNames& reads) const;
  void set_later_reads(const FieldNames& later);  // for nested lists; the outermost one has told its stages when built

 private:
  template <class HandOn>
  void run_late(Batch& batch, StageState& state, DropCounts& drops, HandOn hand_on) const;

  std::vector<std::unique_ptr<Stage>> stages_;
};

}  // namespace pipeline
