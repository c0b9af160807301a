#include "server/cache/memory_cache.h"

namespace server {

using pipeline::Hash128;

MemoryCache::~MemoryCache() {
  meters_.bytes.add(-static_cast<int64_t>(size_bytes_));
  meters_.items.add(-static_cast<int64_t>(entries_.size()));
}

CachedText MemoryCache::find(const Hash128& key) {
  if (keeps_nothing()) return nullptr;
  std::lock_guard lock(mutex_);
  admission_.note(key.low);
  auto found = by_key_.find(key);
  meters_.count(found != by_key_.end());
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  meters_.hit_bytes.add(found->second->text->size());
  return found->second->text;
}

void MemoryCache::drop(std::list<Entry>::iterator entry) {
  size_bytes_ -= entry->bytes();
  meters_.bytes.add(-static_cast<int64_t>(entry->bytes()));
  meters_.items.add(-1);
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

void MemoryCache::put(const Hash128& key, CachedText text) {
  if (keeps_nothing()) return;
  std::lock_guard lock(mutex_);
  Entry entry{key, std::move(text)};
  if (by_key_.contains(key)) return;  // what a key stands for never changes
  if (entry.bytes() > limit_bytes_) return meters_.refused.add();
  while (size_bytes_ + entry.bytes() > limit_bytes_) {
    auto oldest = std::prev(entries_.end());
    if (!admission_.prefers(key.low, oldest->key.low)) {
      // It stays, and its turn to be doubted again comes after all others.
      entries_.splice(entries_.begin(), entries_, oldest);
      return meters_.refused.add();
    }
    drop(oldest);
    meters_.evictions.add();
  }
  size_bytes_ += entry.bytes();
  meters_.bytes.add(static_cast<int64_t>(entry.bytes()));
  meters_.items.add(1);
  meters_.stored_bytes.add(entry.text->size());
  entries_.push_front(std::move(entry));
  by_key_.emplace(key, entries_.begin());
}

void MemoryCache::remove(const Hash128& key) {
  std::lock_guard lock(mutex_);
  if (auto found = by_key_.find(key); found != by_key_.end()) drop(found->second);
}

uint64_t MemoryCache::size_bytes() const {
  std::lock_guard lock(mutex_);
  return size_bytes_;
}

}  // namespace server
