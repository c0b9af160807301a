// Caches: every cache of a server, as its settings say, built before the object store.
//
// Life:    open() to destruction; what it is given outlives it, and it outlives those who read through it.
// Thread:  any.
// Errors:  of open(): a memcached server that is none. A disk cache that cannot be opened is logged and done without.
#pragma once

#include <memory>

#include "server/cache/cache_settings.h"
#include "server/cache/cached_store.h"
#include "server/cache/result_cache.h"

namespace server {

class Caches {
 public:
  static pipeline::Result<std::unique_ptr<Caches>> open(const CacheSettings& settings, ObjectStore& store,
                                                        pipeline::FileSystem& files, const pipeline::Clock& clock,
                                                        pipeline::Registry& registry);

  // The store through the caches, and past them: for those who write and merge.
  ObjectStore& for_queries() { return store_; }
  ObjectStore& for_writers() { return store_.past_cache(); }
  ResultCache* results() { return results_.get(); }  // null: turned off

 private:
  struct Tiers {
    std::unique_ptr<MemoryCache> memory;
    std::unique_ptr<DiskCache> disk;
    std::unique_ptr<RemoteCache> remote;
  };
  Caches(ObjectStore& store, Tiers tiers)
      : tiers_(std::move(tiers)), store_(store, {tiers_.memory.get(), tiers_.disk.get(), tiers_.remote.get()}) {}

  Tiers tiers_;
  CachedStore store_;
  std::unique_ptr<ResultCache> results_;
};

}  // namespace server
