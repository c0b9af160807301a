// QueryMemory: what one query may hold at a time, and who in it holds how much.
//
//   QueryMemory memory(limits.memory_limit);                       // one per query
//   MemoryUse use(memory, "sum_over_time");                        // one per accumulator, on each thread its own
//   TRY(use.hold(bytes_now, series_now));                          // kOverLimit names it, its series and the remedy
//
// What is counted is what grows with the data: series, points, samples, entries kept. Buffers of a page are not.
//
// Life:    a QueryMemory outlives its MemoryUses; a MemoryUse gives everything back in its destructor.
// Thread:  QueryMemory any; a MemoryUse one at a time.
// Errors:  kOverLimit: the query ends (HTTP 400).
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "pipeline/base/result.h"

namespace server {

class QueryMemory {
 public:
  explicit QueryMemory(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}  // 0: without a limit
  QueryMemory(const QueryMemory&) = delete;
  QueryMemory& operator=(const QueryMemory&) = delete;

  uint64_t limit_bytes() const { return limit_bytes_; }
  uint64_t held_bytes() const { return held_bytes_.load(std::memory_order_relaxed); }
  uint64_t peak_bytes() const { return peak_bytes_.load(std::memory_order_relaxed); }

 private:
  friend class MemoryUse;
  // False: that would be more than the limit; nothing is taken.
  bool take(uint64_t bytes);
  void give_back(uint64_t bytes) { held_bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  const uint64_t limit_bytes_;
  std::atomic<uint64_t> held_bytes_{0}, peak_bytes_{0};
};

class MemoryUse {
 public:
  // `holder` as the query writes it: "count_over_time", "topk". `things`: what hold() counts.
  MemoryUse(QueryMemory& memory, std::string holder, std::string things = "series")
      : memory_(memory), holder_(std::move(holder)), things_(std::move(things)) {}
  ~MemoryUse() { memory_.give_back(bytes_); }
  MemoryUse(const MemoryUse&) = delete;
  MemoryUse& operator=(const MemoryUse&) = delete;

  // Holds `bytes` for `series` (or other things) from now on, all in all; may be fewer than before. Cheap when nothing
  // has changed.
  pipeline::Result<void> hold(uint64_t bytes, uint64_t series) {
    return bytes == bytes_ ? pipeline::Result<void>() : change(bytes, series);
  }
  // `bytes` more than before.
  pipeline::Result<void> add(uint64_t bytes, uint64_t series) { return hold(bytes_ + bytes, series); }
  uint64_t bytes() const { return bytes_; }

 private:
  pipeline::Result<void> change(uint64_t bytes, uint64_t series);

  QueryMemory& memory_;
  const std::string holder_, things_;
  uint64_t bytes_ = 0;
};

}  // namespace server
