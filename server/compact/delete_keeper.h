// DeleteKeeper: what becomes of requests to delete, beside the rewriting.
//
// A request may be cancelled for Options::cancel_period; then it is ripe: every merge applies it, and objects that it
// touches are rewritten. It is processed once no object of before it with entries of its tenant and time exists any
// more, neither live nor dead nor forgotten by a job that was cut off. Each request also lies in the store, so that a
// catalogue that is made anew knows it:
//
//   <cluster>/deletes/<number, 20 digits>.request     the request, from its acceptance on; Options::keep_request after
//   it
//                                                     was processed (by then no orphan of before exists) it is deleted
//   <cluster>/deletes/<number>.cancelled              it counts no more
//   <cluster>/deletes/<number>.receipt                it was processed; what was removed. Of its query only the
//   selector:
//                                                     what was searched for is to be gone, too
//
// A request that the store knows and the catalogue has never heard of was made after the catalogue was saved that is in
// use now (an older one was put back): adopt() takes it in again. Likewise what was cancelled since is cancelled.
//
// Their bytes: lines of `name value`, in which \, line feed and carriage return are written \\, \n and \r.
//
// A request that was accepted by a clock that was ahead counts as made when the clock is right again (the compactor
// sees to it: Catalog::correct_times()), so it gets ripe a cancel period later at the latest.
//
// Thread: any; blocks. Errors: of the store and the catalogue, named; whatever failed is tried again by finish().
#pragma once

#include <chrono>
#include <mutex>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

struct DeleteKeeperOptions {
  std::chrono::nanoseconds cancel_period = std::chrono::hours(1);
  std::chrono::nanoseconds keep_request = std::chrono::hours(25);
};

class DeleteKeeper {
 public:
  DeleteKeeper(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
               DeleteKeeperOptions options);
  ~DeleteKeeper();

  const DeleteKeeperOptions& options() const { return options_; }

  // Everything acknowledged before is in objects. In force when it returns, and in the store.
  Result<DeleteRequest> accept(DeleteRequest request);
  // kNotFound, kInvalid: as Catalog::cancel_delete.
  Result<void> cancel(const DeleteRequest& request);
  // Requests up to this number can be cancelled no more. `now`: as the sober clock says (sober_clock.h).
  uint64_t ripe(const CatalogSnapshot& snapshot, UnixNanos now) const;
  // Before anything is read: requests that only the store knows are in force, too, and those that it knows to be
  // cancelled are not. Where the store was away then, accept() and finish() begin with it.
  Result<void> adopt();
  // Notices what is processed, and brings the store up to date.
  Result<void> finish(UnixNanos now);

 private:
  Result<void> adopt_once();  // under mutex_
  Result<void> keep(const DeleteRequest& request);

  ObjectStore& store_;
  Catalog& catalog_;
  const pipeline::Clock& clock_;
  const DeleteKeeperOptions options_;
  std::mutex mutex_;      // of what is written to the store
  bool adopted_ = false;  // under mutex_
  pipeline::Counter &received_, &processed_, &removed_;
  pipeline::Registry& registry_;
};

// What the store knows of requests to delete: those that count, with their receipts, and the highest number of all.
// Those that were processed are in force once more as long as the request itself is kept.
struct KeptDeletes {
  std::vector<DeleteRequest> requests;
  std::vector<uint64_t> cancelled;  // sorted
  uint64_t last_number = 0;
};
Result<KeptDeletes> read_kept_deletes(ObjectStore& store, const Ulid& cluster);

// "<cluster>/deletes".
std::string deletes_folder(const Ulid& cluster);

std::string encode_delete(const DeleteRequest& request);
Result<DeleteRequest> decode_delete(std::string_view text);

}  // namespace server
