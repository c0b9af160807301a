// GarbageCollector: deletes from the store what no catalogue will ever want again.
//
//   dead        objects that were swapped out, Options::grace after that: queries that began before still read them.
//   The
//               longest dead goes first, and nothing younger before it: so the inputs of a merge are gone before any of
//               its outputs is, which is what a catalogue that is made anew relies on
//   abandoned   planned outputs of jobs that ended without a swap, and of ingest. Until they are deleted no request to
//               delete is said to be processed: they may hold what was to be gone. Those of ingest in programs that are
//               no more are brought into the catalogue where they are whole (adoption.h)
//   orphans     objects in the store without a row, Options::orphan_age after their making (by the time in their id).
//               As every object is planned before it is begun, there are none unless an older catalogue was put back
//               or the store did something long after it was asked to: they are a metric, and a warning. Once after the
//               start those of ingest are brought in
//
// Requests to delete that only the store knows are in force before anything is brought in (DeleteKeeper::adopt).
// Only keys below this cluster's own folders are ever touched.
// Thread: one at a time; blocks. Errors: of the store and the catalogue; what was not deleted is tried again next time.
#pragma once

#include <atomic>
#include <chrono>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

struct GarbageOptions {
  std::chrono::seconds grace{3600};
  std::chrono::seconds orphan_age{24 * 3600};
};

class GarbageCollector {
 public:
  // What it is given outlives it.
  GarbageCollector(ObjectStore& store, Catalog& catalog, pipeline::Registry& registry, GarbageOptions options);

  // How many were deleted; all stop at the next object once `cancelled`.
  Result<uint64_t> collect_dead(const std::atomic<bool>& cancelled);
  Result<uint64_t> collect_abandoned(const std::atomic<bool>& cancelled);
  // Brings in what ingest wrote and the catalogue does not know at all. How many. Before collect_orphans().
  Result<uint64_t> adopt_unknown(const std::atomic<bool>& cancelled);
  // `now`: as the sober clock says (sober_clock.h).
  Result<uint64_t> collect_orphans(UnixNanos now, const std::atomic<bool>& cancelled);
  // What programs that died left unfinished in the store. Before anything is written.
  Result<void> remove_unfinished();

 private:
  Result<void> set_aside(const AbandonedOutput& output);
  Result<std::vector<Ulid>> unknown(int level);  // objects in the store without a row or a plan
  Result<uint64_t> remove_unknown(int level, UnixNanos newest, uint64_t& young, const std::atomic<bool>& cancelled);

  ObjectStore& store_;
  Catalog& catalog_;
  const GarbageOptions options_;
  pipeline::Counter &deleted_, &abandoned_, &adopted_, &quarantined_, &orphans_;
  pipeline::Gauge& unknown_;
};

}  // namespace server
