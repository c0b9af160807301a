// Adoption: an object of ingest that is whole in the store and has no row is brought into the catalogue.
//
// A program that dies between an object and its commit leaves one: its entries are in the write-ahead log as well, or
// were never acknowledged. But where the catalogue is a copy that was put back, of a moment so near that the generation
// (catalog/generation.h) does not tell, such an object may have been committed after that moment, and its entries
// acknowledged; nothing in the store tells the two apart. So it is taken either way: equal entries are one, and the
// batch numbers that its footer names are remembered with it.
//
// What it says of write-ahead frames is not: those of the copy's log are replayed, whatever is in objects.
// Requests to delete that only the store knows are to be in force before (DeleteKeeper::adopt), as they decide what of
// it may be seen.
//
// Thread: any, blocks: two reads. Errors: of the store and the catalogue: nothing is known about the object then.
#pragma once

#include <string>

#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

enum class Adoption {
  kTaken,
  kAbsent,
  kUnreadable,  // or not one that this cluster's ingest has written
  kTooNew,      // made by a newer version
  kOutlived     // a request to delete that is processed may touch it, so it may be from before that
};

// Of one that is planned nothing is processed that would touch it: what it holds was not acknowledged by then.
enum class Origin { kPlanned, kUnknown };

Result<Adoption> adopt_object(ObjectStore& store, Catalog& catalog, const std::string& key, Origin origin);

}  // namespace server
