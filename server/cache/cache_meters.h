// CacheMeters: what one tier of the cache counts: skidway_server_cache_*{tier}, and loki_cache_hits,
// loki_cache_fetched_keys for dashboards made for Loki. Thread: any.
#pragma once

#include <string>

#include "pipeline/base/metrics.h"

namespace server {

struct CacheMeters {
  CacheMeters(pipeline::Registry& registry, const std::string& tier);

  void count(bool found) {
    (found ? hits : misses).add();
    fetched.add();
    if (found) loki_hits.add();
  }

  pipeline::Counter& hits;
  pipeline::Counter& misses;
  pipeline::Counter& hit_bytes;
  pipeline::Counter& stored_bytes;
  pipeline::Counter& evictions;
  pipeline::Counter& refused;  // not worth what they would have pushed out
  pipeline::Counter& errors;   // damaged, or the disk or the network failed: each also a miss
  pipeline::Gauge& bytes;
  pipeline::Gauge& items;
  pipeline::Counter& loki_hits;
  pipeline::Counter& fetched;
};

}  // namespace server
