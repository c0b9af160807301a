// MissingObjects: live objects whose bytes are not in the store any more: a disk or a hand lost them. Merges leave them
// alone, queries say that their answer is partial, and they may come back; but a request to delete does not wait for
// them for ever: once one was missing for Options::patience its row is dropped, and the receipt names
//
//   <cluster>/quarantine/<ulid>.missing      lines of `name value`: what was lost
//
// Nothing is missing while the store itself may be: its cluster's marker (store/cluster_marker.h) is asked for first,
// so a folder that is not mounted costs no row.
//
// Thread: one at a time; blocks. Errors: those of the store and the catalogue; kUnavailable: the store has no marker.
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <span>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

class MissingObjects {
 public:
  // What it is given outlives it.
  MissingObjects(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
                 std::chrono::nanoseconds patience);

  // Asks the store for each of `rows`. How many are missing.
  Result<uint64_t> look_for(std::span<const ObjectRow> rows);
  // Asks again for those that are missing: they may be there once more, or their rows gone.
  Result<void> look_again();

  void forget(const Ulid& object);  // it was read
  void add_to(std::set<Ulid>& objects) const;
  bool is_lost(const Ulid& object) const;  // missing for long enough
  // Drops the row; the receipts of `requests` say so.
  Result<void> write_off(const ObjectRow& row, std::span<const uint64_t> requests);

 private:
  Result<void> check_store();

  ObjectStore& store_;
  Catalog& catalog_;
  const pipeline::Clock& clock_;
  const std::chrono::nanoseconds patience_;
  std::map<Ulid, std::chrono::nanoseconds> since_;  // by the monotonic clock
  pipeline::Gauge& missing_;
  pipeline::Counter &lost_, &lost_entries_;
};

}  // namespace server
