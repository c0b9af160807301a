// Expiry: which objects are to go, and which to be rewritten, because of the age of their entries or for want of room.
//
// An object is dropped as a whole once all it holds is past its retention (by the time of the entries). It is rewritten
// when a whole stream of it is, or entries that are a day past theirs; until then queries leave them out. Beyond
// `max_bytes` the objects with the oldest entries go first, but none with an entry younger than `min_age`.
//
// Thread: one at a time; blocks: where a tenant has rules by stream, directories are read, each when a stream of it may
//         have expired.
// Errors: an object whose directory cannot be read stays.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "server/catalog/catalog.h"
#include "server/erase/erasures.h"
#include "server/store/object_store.h"

namespace server {

struct ExpiryOptions {
  uint64_t max_bytes = 0;  // of all live objects; 0: no cap
  std::chrono::nanoseconds min_age = std::chrono::hours(1);
};

struct ExpiryPlan {
  std::vector<ObjectRow> drop_expired;   // everything in them is past its retention
  std::vector<ObjectRow> drop_for_room;  // oldest first
  std::vector<ObjectRow> rewrite;        // something in them is
};

class Expiry {
 public:
  Expiry(ObjectStore& store, ExpiryOptions options) : store_(store), options_(options) {}

  // `erasures` of `now`.
  ExpiryPlan plan(const CatalogSnapshot& snapshot, const Erasures& erasures, UnixNanos now);

 private:
  bool is_to_be_rewritten(const ObjectRow& row, const Erasures& erasures, UnixNanos now);
  void add_for_room(const CatalogSnapshot& snapshot, UnixNanos now, ExpiryPlan& plan) const;

  ObjectStore& store_;
  const ExpiryOptions options_;
  std::map<Ulid, UnixNanos> looked_at_;  // objects whose directory need not be read before this time
};

}  // namespace server
