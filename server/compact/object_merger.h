// Merging objects: all entries of the inputs that still exist, each once, in new objects of one period (an hour) and
// one retention period each.
//
// Equal entries (tenant, labels, time, line, metadata) are written once; entries of one time keep the order of their
// inputs, which is that of their making. Where the inputs hold entries of more than Options::most_periods hours, the
// outputs are cut by day, by 30 days or not at all. An output of Options::target_bytes is finished and another begun;
// one of half that size is finished at the end of its tenant, so that large tenants do not share objects.
//
// Thread:  a worker; takes as long as it takes. `cancelled` is looked at, and the watch is told, every few thousand
//          entries.
// Memory:  bounded by Options, whatever the inputs hold: for each input about 0.7 MiB (a page, compressed and not) and
//          its directory; for each of the Options::most_outputs + 1 outputs 1 MiB, its directory, its filter (up to
//          9 MiB) and what the store's uploads hold (S3: three parts); 2 MiB for compression. Inputs with more periods
//          than may be open are read in several passes, a page once for each pass that needs it.
// Errors:  kCancelled; kCorrupt names the input at fault; else those of the store. After an error no output is visible:
//          those already committed to the store were removed again, as far as the store answered.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/compact/merge_input.h"
#include "server/erase/erasures.h"
#include "server/store/object_store.h"
#include "server/store/page_codec.h"
#include "server/store/ulid.h"

namespace server {

struct MergeOptions {
  size_t most_periods = 24;
  size_t most_outputs = 4;               // open at once
  uint64_t target_bytes = 256ull << 20;  // stored size
  uint64_t target_streams = 256 << 10;   // bounds the directory, and with it the memory of who writes or reads it
  PageEffort effort = PageEffort::kSmall;
  bool with_filter = true;  // a substring filter in each output
};

// Whoever wants to know how a merge goes; an error from it ends the merge.
class MergeWatch {
 public:
  virtual ~MergeWatch() = default;
  virtual Result<void> on_output(const Ulid& object, const std::string& key) = 0;  // before it is begun
  virtual Result<void> on_progress() = 0;                                          // every few thousand entries
};

struct MergeJob {
  std::span<const ObjectRow> inputs;  // oldest first
  const Erasures& erasures;           // what exists no more
  uint64_t deletes_applied = 0;  // what the outputs say of themselves: requests up to this number are in `erasures`
  Damage damage = Damage::kFails;
};

struct MergeOutcome {
  std::vector<ObjectRow> outputs;   // in the store, not yet in the catalogue
  uint64_t entries = 0;             // written
  uint64_t repeated = 0;            // not written, being in another input too
  uint64_t expired = 0;             // not written, being past their retention
  uint64_t unreadable = 0;          // not written, being of pages or objects that cannot be read
  std::vector<ErasedCount> erased;  // not written, because of requests to delete
};

Result<MergeOutcome> merge_objects(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids, const MergeJob& job,
                                   const MergeOptions& options, const std::atomic<bool>& cancelled, MergeWatch& watch);

}  // namespace server
