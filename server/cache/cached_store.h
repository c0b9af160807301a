// CachedStore: an ObjectStore before another one, which keeps blocks of 1 MiB of what is read in memory and on disk,
// and the ends of objects (their directories) in a shared cache too.
//
//   get_range -> memory -> disk -> [the end of an object: memcached] -> the store, one read for neighbours
//
// Objects never change and keys are never used again, so nothing here is ever stale; remove() takes the object out of
// every tier first. Two who miss the same block read it once. Reads of an object whose size is not known (note_size())
// pass through.
//
// Life:    what it refers to outlives it. Thread: any.
// Errors:  the store's. A cache that fails is a miss.
#pragma once

#include <condition_variable>
#include <memory>
#include <set>
#include <unordered_map>

#include "server/cache/disk_cache.h"
#include "server/cache/memory_cache.h"
#include "server/cache/remote_cache.h"
#include "server/store/object_store.h"

namespace server {

inline constexpr uint64_t kBlockBytes = 1 << 20;

struct CacheTiers {
  MemoryCache* memory = nullptr;  // each may be absent
  DiskCache* disk = nullptr;
  RemoteCache* remote = nullptr;
};

class CachedStore final : public ObjectStore {
 public:
  CachedStore(ObjectStore& store, CacheTiers tiers) : store_(store), tiers_(tiers), past_(*this) {}

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return store_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override;
  Result<uint64_t> size(const std::string& key) override;
  Result<void> remove(const std::string& key) override;
  Result<void> abandon(const std::string& key) override { return store_.abandon(key); }  // nobody read it
  Result<std::vector<std::string>> list(const std::string& folder) override { return store_.list(folder); }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return store_.remove_unfinished(folder); }
  void give_up_after(std::chrono::milliseconds delay) override { store_.give_up_after(delay); }
  uint64_t request_worth_bytes() const override { return store_.request_worth_bytes(); }
  void note_size(const std::string& key, uint64_t size) override;

  // The same store for those who read everything once (merges): reads pass by the cache, removals do not.
  ObjectStore& past_cache() { return past_; }

 private:
  class Past final : public ObjectStore {
   public:
    explicit Past(CachedStore& cached) : cached_(cached) {}
    Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return cached_.create(key); }
    Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
      return cached_.store_.get_range(key, offset, length, out);
    }
    Result<uint64_t> size(const std::string& key) override { return cached_.store_.size(key); }
    Result<void> remove(const std::string& key) override { return cached_.remove(key); }
    Result<void> abandon(const std::string& key) override { return cached_.abandon(key); }
    Result<std::vector<std::string>> list(const std::string& folder) override { return cached_.list(folder); }
    Result<uint64_t> remove_unfinished(const std::string& folder) override { return cached_.remove_unfinished(folder); }
    uint64_t request_worth_bytes() const override { return cached_.request_worth_bytes(); }
    void give_up_after(std::chrono::milliseconds delay) override { cached_.give_up_after(delay); }

   private:
    CachedStore& cached_;
  };

  // One object, while one of its ranges is read.
  struct Object {
    const std::string& key;
    pipeline::Hash128 hash;
    uint64_t size;
  };
  using Blocks = std::vector<CachedText>;                      // null: missing
  uint64_t known_size(const pipeline::Hash128& object) const;  // 0: not known
  CachedText find_block(const BlockId& id);
  void keep_block(const BlockId& id, CachedText text);
  Result<void> fetch(const Object& object, uint64_t first, Blocks& blocks);
  Result<void> fetch_run(const Object& object, uint64_t first, size_t count, CachedText* blocks);
  bool find_remote(const Object& object, uint64_t offset, uint64_t length, std::string& out);
  void keep_remote(const Object& object, uint64_t offset, std::string_view bytes);

  ObjectStore& store_;
  const CacheTiers tiers_;
  Past past_;
  mutable std::mutex mutex_;
  std::condition_variable fetched_;
  std::set<BlockId> underway_;                             // under mutex_: somebody reads them
  std::unordered_map<pipeline::Hash128, uint64_t> sizes_;  // under mutex_
};

}  // namespace server
