// Stage: one step that changes or removes entries.
//
// A stage is read-only after it is built and may be shared; what it remembers between batches (open partial lines, last
// timestamps, scratch space) lives in a StageMemory made by it, with one owner. What a stage without such a memory does
// to an entry depends only on the line, its labels and its read time, so that a batch can be built again after a crash.
// A stage with a memory that cuts or joins by time goes by the read times of the lines, never by a clock, for the same
// reason: expire() only hands on earlier what the next line would hand on. What is shared by all files of a source (a
// rate, a counter) lives in the stage behind a lock that is taken once per batch.
//
// A stage that cannot do its work on an entry leaves it as it is. It touches only active rows (Batch::active).
// Thread:  process() and flush(): the worker that owns the memory; different memories on different threads at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "pipeline/base/metric_page.h"
#include "pipeline/model/batch.h"
#include "pipeline/stage/drop_counts.h"

namespace pipeline {

// Which of two bytes stands first. Those of a file that was read before the present one, and goes on in it (rotation),
// have addresses below 0, in two's complement.
inline bool stands_before(uint64_t a, uint64_t b) { return static_cast<int64_t>(a) < static_cast<int64_t>(b); }

class StageMemory {
 public:
  virtual ~StageMemory() = default;
  // The first byte of the tailed file that is in an entry not yet handed on.
  virtual std::optional<uint64_t> open_from() const { return std::nullopt; }
  // Bytes of memory that entries not yet handed on take, roughly. Cheap: asked after each block.
  virtual size_t held_bytes() const { return 0; }
  // The next lines are of another file, which goes on where this one ended after `bytes` (it was rotated): what is held
  // stands so much before the begin of that one.
  virtual void move_back(uint64_t /*bytes*/) {}
  // Whether the next line may belong to what came before: a pause in reading must not look like one in writing.
  virtual bool expects_more() const { return open_from().has_value(); }
  // The wall clock time at which expire() has something to hand on.
  virtual std::optional<UnixNanos> due() const { return std::nullopt; }
  // The wall clock time before which no more lines should be read, as they come too fast (limit).
  virtual std::optional<UnixNanos> resume_at() const { return std::nullopt; }
};

// What the lines are for that go through a memory.
enum class StageUse : uint8_t {
  kLive,     // lines read for the first time
  kRebuild,  // lines of a recorded batch, all of which were kept: nothing is dropped by chance or rate, nothing counted
};

// Names of extracted values that later stages look at: a stage need not make others.
struct FieldNames {
  bool all = false;  // a later stage looks at whatever there is
  std::set<std::string, std::less<>> names;

  bool has(std::string_view name) const { return all || names.contains(name); }
};

class Stage {
 public:
  virtual ~Stage() = default;

  // The stage's name in the configuration; set by who builds it, lives as long as the program.
  std::string_view kind() const { return kind_; }
  void set_kind(std::string_view kind) { kind_ = kind; }

  virtual std::unique_ptr<StageMemory> make_memory(StageUse) const { return std::make_unique<StageMemory>(); }

  // Rewrites `batch` in place. `memory` is one of make_memory(). Entries removed are added to `drops` with a reason.
  virtual void process(Batch& batch, StageMemory& memory, DropCounts& drops) const = 0;

  // The input has ended: appends what the memory still holds to `batch`, and forgets it.
  virtual void flush(Batch& batch, StageMemory& memory, DropCounts& drops) const;

  // Appends what `memory` has held until `now` at the latest, as StageMemory::due() announced, and forgets it.
  virtual void expire(Batch& batch, StageMemory& memory, UnixNanos now, DropCounts& drops) const;

  // Adds what the stage counts, other than DropCounts, under Alloy's names. `now`: series that nothing was added to for
  // as long as the user said end. Nothing is counted for memories of StageUse::kRebuild. Thread: any.
  virtual void append_metrics(MetricPage& page, UnixNanos now) const;

  // Adds the names of the extracted values this stage looks at.
  virtual void add_reads(FieldNames& reads) const = 0;
  // Told once, before any process(): what the stages after this one look at.
  virtual void set_later_reads(const FieldNames& later);

 private:
  std::string_view kind_;
};

inline void Stage::flush(Batch&, StageMemory&, DropCounts&) const {}
inline void Stage::expire(Batch&, StageMemory&, UnixNanos, DropCounts&) const {}
inline void Stage::append_metrics(MetricPage&, UnixNanos) const {}
inline void Stage::set_later_reads(const FieldNames&) {}

}  // namespace pipeline
