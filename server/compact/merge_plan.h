// Which objects to merge next: a pure function of what is live.
//
// L0 objects (a few seconds of everything) are merged into L2 objects of one period each, many at once. L2 objects of
// one period are merged with others of about their size, so that every entry is rewritten a few times only; once the
// period is over, all that are below the target become one.
#pragma once

#include <chrono>
#include <set>
#include <vector>

#include "server/catalog/catalog.h"

namespace server {

struct PlanOptions {
  size_t l0_trigger = 8;                 // L0 objects, or L2 objects of one size, that are worth a merge
  size_t most_inputs = 64;               // bounds the memory of a merge
  uint64_t target_bytes = 256ull << 20;  // objects of that size are finished
  std::chrono::minutes settle{70};       // after the end of a period: late entries have come
  std::chrono::minutes l0_age{10};       // from which two L0 objects are enough
  // How old the l0_trigger oldest must be, unless there are most_inputs: in a burst, waiting for more of them halves
  // how often an entry is rewritten.
  std::chrono::seconds l0_rest{30};
};

// The inputs of the next merge, oldest first; empty: nothing to do. Objects in `excluded` are left alone.
std::vector<ObjectRow> plan_merge(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options,
                                  const std::set<Ulid>& excluded);

// The same for whoever asked for everything: any two objects of a period below the target are worth it, and any L0.
std::vector<ObjectRow> plan_full_merge(const CatalogSnapshot& snapshot, const PlanOptions& options,
                                       const std::set<Ulid>& excluded);

}  // namespace server
