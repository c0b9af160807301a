#include "server/cache/cache_meters.h"

namespace server {

namespace {

pipeline::Counter& counter(pipeline::Registry& registry, const std::string& tier, const char* what, const char* help) {
  return registry.counter(std::string("skidway_server_cache_") + what + "_total", help, {{"tier", tier}});
}

}  // namespace

CacheMeters::CacheMeters(pipeline::Registry& registry, const std::string& tier)
    : hits(counter(registry, tier, "hits", "Look-ups that found something.")),
      misses(counter(registry, tier, "misses", "Look-ups that found nothing.")),
      hit_bytes(counter(registry, tier, "hit_bytes", "Bytes that were found.")),
      stored_bytes(counter(registry, tier, "stored_bytes", "Bytes that were put in.")),
      evictions(counter(registry, tier, "evictions", "Things thrown out for others, or because the disk is full.")),
      refused(counter(registry, tier, "refused",
                      "Things not kept: asked for less often than what they would have pushed out, or too large.")),
      errors(counter(registry, tier, "errors", "Damaged things and failures of disk or network; each is a miss.")),
      bytes(registry.gauge("skidway_server_cache_bytes", "Bytes held.", {{"tier", tier}})),
      items(registry.gauge("skidway_server_cache_items", "Things held.", {{"tier", tier}})),
      loki_hits(registry.counter("loki_cache_hits", "Total count of keys found in cache.", {{"name", tier}})),
      fetched(
          registry.counter("loki_cache_fetched_keys", "Total count of keys requested from cache.", {{"name", tier}})) {}

}  // namespace server
