// The table [cache] of the configuration. Keys and defaults: configs/server.toml, configs/server_s3.toml.
#pragma once

#include <string>

#include "pipeline/config/config.h"
#include "server/cache/memcached.h"

namespace server {

struct CacheSettings {
  uint64_t memory_bytes = 0;  // of blocks in memory; 0: none
  uint64_t disk_bytes = 0;    // of blocks on disk; 0: none
  std::string disk_folder;
  uint64_t disk_keep_free_bytes = 1 << 30;
  uint64_t results_bytes = 16 << 20;  // of answers; 0: none
  MemcachedOptions memcached;         // no servers: none
};

// `folder`: where blocks lie when nothing is said. Objects that are files on this machine need no blocks: the system
// keeps them in memory already. Errors go to the document.
enum class StoreKind { kLocal, kBucket };
CacheSettings read_cache(pipeline::ConfigTable table, const std::string& folder, StoreKind store);

}  // namespace server
