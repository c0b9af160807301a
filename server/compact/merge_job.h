// One merge as a job of the catalogue: claimed under a lease, its outputs planned before they are begun, its swap
// refused when the lease was lost meanwhile; what a failure leaves behind is deleted, now or by the garbage collector.
//
// Thread: one at a time; blocks, and sleeps to keep to its share of the processor.
// Errors: kUnavailable: an input is another's job. kCancelled. kCorrupt names the object. kInvalid: the lease was lost
// or
//         an input is gone: nothing was swapped. Else those of store and catalogue: nobody knows whether it was
//         swapped.
#pragma once

#include <atomic>

#include "pipeline/base/clock.h"
#include "server/compact/cpu_share.h"
#include "server/compact/object_merger.h"

namespace server {

struct MergeDoors {
  ObjectStore& store;
  Catalog& catalog;
  const pipeline::Clock& clock;
  UlidMaker& ulids;
  const LeaseTerms& lease;
  const MergeOptions& options;
  const std::atomic<bool>& cancelled;
};

// `unreadable`: to be said in the swap where something could not be read (MergeJob::damage).
Result<MergeOutcome> run_merge_job(const MergeDoors& doors, const MergeJob& job, CpuShare& share,
                                   std::vector<UnreadableObject> unreadable = {});

}  // namespace server
