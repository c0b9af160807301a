// MemoryBudget: the bytes that blocks, open batches and waiting bodies may use together (`memory_limit`). Thread: any.
//
// It never refuses: bytes already read are taken and counted, and whoever reads asks exceeded() before reading more.
// What the program needs beside (its code, and what it remembers of its files) is measured now and then and taken off
// the limit, but for a least part: memory_limit means all of the program as far as that is possible.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace agent {

class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  void add(uint64_t bytes) { used_.fetch_add(bytes, std::memory_order_relaxed); }
  void release(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }
  uint64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  uint64_t limit_bytes() const { return limit_bytes_.load(std::memory_order_relaxed); }
  void set_limit(uint64_t bytes) { limit_bytes_.store(bytes, std::memory_order_relaxed); }
  // Of the limit, what is left for blocks, batches and bodies.
  uint64_t available_bytes() const {
    const uint64_t limit = limit_bytes();
    return std::max(limit - std::min(limit, base_.load(std::memory_order_relaxed)), std::min(limit, kLeast));
  }
  bool exceeded() const { return used_bytes() > available_bytes(); }
  // `resident_bytes`: of the whole process, at this moment.
  void note_resident(uint64_t resident_bytes) {
    const uint64_t used = used_bytes();
    base_.store(resident_bytes - std::min(resident_bytes, used), std::memory_order_relaxed);
  }

 private:
  static constexpr uint64_t kLeast = 8 << 20;  // less would hardly hold blocks, and batches for several sinks

  std::atomic<uint64_t> limit_bytes_;
  std::atomic<uint64_t> base_{0};
  std::atomic<uint64_t> used_{0};
};

}  // namespace agent
