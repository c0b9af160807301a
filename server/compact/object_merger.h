// Merging objects: all entries of the inputs, each once, in new objects of one period (an hour) each.
//
// Equal entries (tenant, labels, time, line, metadata) are written once; entries of one time keep the order of their
// inputs, which is that of their making. Where the inputs hold entries of more than Options::most_periods hours, the
// outputs are cut by day, by 30 days or not at all.
//
// Thread:  a worker; takes as long as it takes. `cancelled` is looked at once per page.
// Memory:  about 0.7 MiB per input and 0.5 MiB per output (with a filter up to 9 MiB), and the directories of all.
// Errors:  kCancelled; kCorrupt names the input at fault; else those of the store. After an error no output is visible:
//          those already committed to the store were removed again, as far as the store answered.
#pragma once

#include <atomic>
#include <span>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/store/object_store.h"
#include "server/store/ulid.h"

namespace server {

struct MergeOptions {
  size_t most_periods = 24;              // outputs open at once
  uint64_t target_bytes = 512ull << 20;  // stored size from which an output is closed at the end of a stream
  int zstd_level = 1;
  bool with_filter = true;  // a substring filter in each output
};

struct MergeOutcome {
  std::vector<ObjectRow> outputs;  // in the store, not yet in the catalogue
  uint64_t entries = 0;            // written
  uint64_t repeated = 0;           // not written, being in another input too
};

// Oldest input first.
Result<MergeOutcome> merge_objects(ObjectStore& store, const Ulid& cluster, UlidMaker& ulids,
                                   std::span<const ObjectRow> inputs, const MergeOptions& options,
                                   const std::atomic<bool>& cancelled);

}  // namespace server
