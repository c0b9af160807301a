#include "server/query/reader_cache.h"

namespace server {

using pipeline::Result;

std::shared_ptr<const ObjectReader> ReaderCache::find(const ObjectRow& row) {
  std::lock_guard lock(mutex_);
  auto found = by_key_.find(row.key);
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->reader;
}

Result<std::shared_ptr<const ObjectReader>> ReaderCache::open(const ObjectRow& row) {
  if (auto known = find(row)) return known;
  // Two queries may open the same object at once; the second one to finish keeps its own.
  TRY_LET(auto reader, ObjectReader::open(store_, row.key, row.summary.size, row.summary.footer_length));
  std::lock_guard lock(mutex_);
  uint64_t bytes = reader->memory_bytes();
  if (bytes > limit_bytes_ || by_key_.contains(row.key)) return reader;
  entries_.push_front({row.key, reader, bytes});
  by_key_.emplace(row.key, entries_.begin());
  size_bytes_ += bytes;
  while (size_bytes_ > limit_bytes_) {
    size_bytes_ -= entries_.back().bytes;
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return reader;
}

uint64_t ReaderCache::size_bytes() const {
  std::lock_guard lock(mutex_);
  return size_bytes_;
}

}  // namespace server
