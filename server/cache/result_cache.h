// ResultCache: encoded answers by key, in memory and, where there is one, in the shared cache. The key says everything
// that the answer depends on (server/query/result_key.h), so nothing here is ever stale and nothing must be removed.
//
// Thread: any.
#pragma once

#include "server/cache/memory_cache.h"
#include "server/cache/remote_cache.h"

namespace server {

class ResultCache {
 public:
  // `remote` may be null; it and `registry` outlive the cache.
  ResultCache(uint64_t limit_bytes, RemoteCache* remote, pipeline::Registry& registry)
      : memory_(limit_bytes, "results", registry), remote_(remote) {}

  // `shared`: whether other servers may have it, and come to the same key for the same answer.
  CachedText find(const pipeline::Hash128& key, bool shared);  // null: not here
  void put(const pipeline::Hash128& key, std::string answer, bool shared);

 private:
  MemoryCache memory_;
  RemoteCache* const remote_;
};

}  // namespace server
