// DeleteScan: whether an object holds an entry that a request to delete touches. Most objects in the range of a request
// hold none: the directory (streams, times) says so, or the substring filter, or else the pages that may hold one are
// read until one is found.
//
// Thread: one at a time; blocks.
// Memory: the object's directory, and one page with what its cursor reads ahead.
// Errors: kCorrupt names the object; kCancelled; those of the store.
#pragma once

#include <atomic>

#include "server/catalog/catalog.h"
#include "server/compact/cpu_share.h"
#include "server/erase/erasures.h"
#include "server/store/object_reader.h"

namespace server {

class DeleteScan {
 public:
  // `erasures`: the requests that count. All outlive the scan.
  DeleteScan(ObjectStore& store, const Erasures& erasures, CpuShare& share, const std::atomic<bool>& cancelled)
      : store_(store), erasures_(erasures), share_(share), cancelled_(cancelled) {}

  enum class Found { kNothing, kSomething };
  // Requests that `row` says are applied to it are not looked for.
  Result<Found> look(const ObjectRow& row);

  uint64_t pages_read() const { return pages_read_; }

 private:
  Result<Found> look_for(const DeleteRule& rule, const std::shared_ptr<const ObjectReader>& object,
                         std::string_view tenant);
  Result<Found> look_at_page(const DeleteRule& rule, const StreamSet& streams, PageCursor& cursor);

  ObjectStore& store_;
  const Erasures& erasures_;
  CpuShare& share_;
  const std::atomic<bool>& cancelled_;
  uint64_t pages_read_ = 0;
};

}  // namespace server
