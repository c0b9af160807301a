#include "server/cache/caches.h"

#include "pipeline/base/log.h"

namespace server {

pipeline::Result<std::unique_ptr<Caches>> Caches::open(const CacheSettings& settings, ObjectStore& store,
                                                       pipeline::FileSystem& files, const pipeline::Clock& clock,
                                                       pipeline::Registry& registry) {
  Tiers tiers;
  if (settings.memory_bytes != 0)
    tiers.memory = std::make_unique<MemoryCache>(settings.memory_bytes, "memory", registry);
  if (settings.disk_bytes != 0) {
    auto disk =
        DiskCache::open(files, {settings.disk_folder, settings.disk_bytes, settings.disk_keep_free_bytes}, registry);
    if (disk) {
      tiers.disk = *std::move(disk);
    } else {
      pipeline::log_warn("doing without the disk cache", {{"folder", settings.disk_folder}, {"error", disk.error()}});
    }
  }
  if (!settings.memcached.servers.empty()) {
    TRY_LET(tiers.remote, open_memcached(settings.memcached, clock, registry));
  }
  RemoteCache* remote = tiers.remote.get();
  std::unique_ptr<Caches> caches(new Caches(store, std::move(tiers)));
  if (settings.results_bytes != 0)
    caches->results_ = std::make_unique<ResultCache>(settings.results_bytes, remote, registry);
  return caches;
}

}  // namespace server
