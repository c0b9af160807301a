// ReaderCache: directories of objects that were opened lately. Objects never change, so an entry is right for ever.
//
// Thread:  any.
// Limits:  at most `limit_bytes` of directories (one larger than that is handed out and not kept); least recently used
// go first. Errors:  those of ObjectReader::open.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "pipeline/base/result.h"
#include "server/catalog/catalog.h"
#include "server/store/object_reader.h"

namespace server {

class ReaderCache {
 public:
  ReaderCache(ObjectStore& store, uint64_t limit_bytes) : store_(store), limit_bytes_(limit_bytes) {}

  pipeline::Result<std::shared_ptr<const ObjectReader>> open(const ObjectRow& row);
  std::shared_ptr<const ObjectReader> find(const ObjectRow& row);  // nullptr: it would have to be read
  ObjectStore& store() { return store_; }
  uint64_t size_bytes() const;

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const ObjectReader> reader;
    uint64_t bytes;
  };
  ObjectStore& store_;
  const uint64_t limit_bytes_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;                                            // under mutex_; most recent first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;  // under mutex_
  uint64_t size_bytes_ = 0;                                             // under mutex_
};

}  // namespace server
