#include "server/cache/cache_settings.h"

namespace server {

using pipeline::ConfigTable;

namespace {

constexpr uint64_t kBucketMemory = 32 << 20, kBucketDisk = uint64_t{10} << 30;
constexpr uint64_t kSmallestMemory = 4 << 20, kSmallestDisk = 16 << 20;  // a few blocks of 1 MiB

void read_memcached(ConfigTable table, MemcachedOptions& memcached) {
  memcached.servers = table.strings("memcached");
  for (const std::string& server : memcached.servers) {
    if (auto parsed = parse_memcached_server(server); !parsed)
      table.error_at("memcached", parsed.error().message, "write memcached = [\"cache-1:11211\", \"cache-2:11211\"]");
  }
  memcached.timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(table.duration("memcached_timeout", memcached.timeout));
  if (memcached.timeout < std::chrono::milliseconds(1) || memcached.timeout > std::chrono::seconds(10))
    table.error_at("memcached_timeout", "memcached_timeout must lie between 1ms and 10s");
  memcached.expires_after =
      std::chrono::duration_cast<std::chrono::seconds>(table.duration("memcached_expires", memcached.expires_after));
  if (memcached.expires_after < std::chrono::seconds(1) || memcached.expires_after > std::chrono::hours(30 * 24))
    table.error_at("memcached_expires", "memcached_expires must lie between 1s and 30d",
                   "memcached takes longer ones for dates");
}

uint64_t read_bytes(ConfigTable table, std::string_view key, uint64_t otherwise, uint64_t least) {
  const uint64_t bytes = table.size(key, otherwise);
  if (bytes != 0 && bytes < least)
    table.error_at(key, std::string(key) + " is too small for blocks of 1MiB", "write \"0\" to do without, or more");
  return bytes;
}

}  // namespace

CacheSettings read_cache(ConfigTable table, const std::string& folder, StoreKind store) {
  const bool bucket = store == StoreKind::kBucket;
  CacheSettings cache;
  cache.memory_bytes = read_bytes(table, "memory", bucket ? kBucketMemory : 0, kSmallestMemory);
  cache.disk_bytes = read_bytes(table, "disk", bucket ? kBucketDisk : 0, kSmallestDisk);
  cache.disk_folder = table.string("disk_folder", folder);
  if (cache.disk_folder.empty()) table.error_at("disk_folder", "is empty", "name a folder");
  cache.disk_keep_free_bytes = table.size("disk_keep_free", cache.disk_keep_free_bytes);
  cache.results_bytes = table.size("results", cache.results_bytes);
  read_memcached(table, cache.memcached);
  return cache;
}

}  // namespace server
