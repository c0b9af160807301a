// Which objects to merge next: a pure function of what is live.
//
// L0 objects (a few seconds of everything) are merged into L2 objects of one period each, many at once. L2 objects of
// one period and retention are merged with others of about their size, so that every entry is rewritten a few times
// only; once the period is over, all that are below the target become one. The oldest hour comes first.
//
// Inputs of one merge are touched by the same requests to delete: a request that may still be cancelled is not applied,
// and an object of before it is not merged with one of after it.
#pragma once

#include <chrono>
#include <set>
#include <vector>

#include "server/catalog/catalog.h"

namespace server {

struct PlanOptions {
  size_t l0_trigger = 8;                       // L0 objects, or L2 objects of one size, that are worth a merge
  size_t most_inputs = 32;                     // bounds the memory of a merge, as does the next
  uint64_t most_directory_bytes = 8ull << 20;  // of all inputs, as stored; several times that in memory
  uint64_t target_bytes = 128ull << 20;        // objects of that size are finished, as are those
  uint64_t target_streams = 256 << 10;         // of so many streams
  std::chrono::minutes settle{70};             // after the end of a period: late entries have come
  std::chrono::minutes l0_age{10};             // from which two L0 objects are enough
  // How old the l0_trigger oldest must be, unless there are most_inputs: in a burst, waiting for more of them halves
  // how often an entry is rewritten.
  std::chrono::seconds l0_rest{30};
  // While L0 objects come as fast as this, pushes go before merges: until twice most_inputs are there.
  std::chrono::seconds burst{2};
};

// The inputs of the next merge, oldest first; empty: nothing to do. Objects in `excluded` are left alone. Requests to
// delete up to `ripe` are applied by every merge.
std::vector<ObjectRow> plan_merge(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options,
                                  const std::set<Ulid>& excluded, uint64_t ripe = 0);

// The same for whoever asked for everything: any two objects of a period below the target are worth it, and any L0.
std::vector<ObjectRow> plan_full_merge(const CatalogSnapshot& snapshot, const PlanOptions& options,
                                       const std::set<Ulid>& excluded, uint64_t ripe = 0);

// What is waiting to be merged: L0 objects, and small L2 objects of periods that are over.
struct CompactionDebt {
  uint64_t objects = 0, bytes = 0;
  UnixNanos oldest = 0;  // when the oldest of them was made; 0: there is none
};
CompactionDebt compaction_debt(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options);

}  // namespace server
