// MemoryCache: texts by key in memory, bounded; least recently used go first, but not for something that is asked for
// less often (admission.h).
//
// Thread:  any.
// Limits:  `limit_bytes` of texts and their bookkeeping; 0: it keeps nothing.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "pipeline/base/hash.h"
#include "server/cache/admission.h"
#include "server/cache/cache_meters.h"

namespace server {

using CachedText = std::shared_ptr<const std::string>;

class MemoryCache {
 public:
  // `registry` outlives it.
  MemoryCache(uint64_t limit_bytes, const std::string& tier, pipeline::Registry& registry)
      : limit_bytes_(limit_bytes), meters_(registry, tier) {}
  ~MemoryCache();

  CachedText find(const pipeline::Hash128& key);  // null: not here
  void put(const pipeline::Hash128& key, CachedText text);
  void remove(const pipeline::Hash128& key);

  uint64_t size_bytes() const;
  bool keeps_nothing() const { return limit_bytes_ == 0; }

 private:
  struct Entry {
    pipeline::Hash128 key;
    CachedText text;
    uint64_t bytes() const { return text->size() + 128; }  // 128: list, table, string
  };
  void drop(std::list<Entry>::iterator entry);  // under mutex_

  const uint64_t limit_bytes_;
  CacheMeters meters_;
  mutable std::mutex mutex_;
  Admission admission_;       // these: under mutex_
  std::list<Entry> entries_;  // most recent first
  std::unordered_map<pipeline::Hash128, std::list<Entry>::iterator> by_key_;
  uint64_t size_bytes_ = 0;
};

}  // namespace server
