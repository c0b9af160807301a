// A catalogue from the store alone: every object tells in its footer what a row needs and which objects it was made
// from. Which objects are to be visible:
//
//   - An object that is an input of a whole merge is left out: its entries are in the outputs.
//   - The outputs of a merge that was cut off are left out: the inputs are still there. A merge is whole once its seal,
//     the output written last, is there. A seal that was itself merged and deleted since is known by its inputs, which
//     were deleted before it (garbage_collector.h).
//   - All others are visible. What was written and never committed has all its entries in the write-ahead log, too, and
//     equal entries are one.
//
// Requests to delete lie in the store (delete_keeper.h). Frames of the write-ahead log that are in objects are known by
// the highest that any object names. Batch numbers come from the L0 objects that are still there.
//
// Thread: any, blocks: two reads for each object. Errors: of the store. Objects that cannot be read are named in the
// report and left out.
#pragma once

#include <string>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

struct RebuildReport {
  uint64_t found = 0;       // objects in the store
  uint64_t superseded = 0;  // merged into others
  uint64_t unfinished = 0;  // of merges that were cut off
  // Both of these: to be dead in the new catalogue, so that they are deleted, and before what was made from them.
  std::vector<ObjectRow> gone;
  std::vector<std::string> unreadable;  // key and error
};

Result<Catalog::Content> read_catalog_content(ObjectStore& store, const Ulid& cluster, RebuildReport& report);

}  // namespace server
