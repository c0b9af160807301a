// MemoryBudget: the bytes that blocks, open batches and waiting bodies may use together (`memory_limit`). Thread: any.
//
// It never refuses: bytes already read are taken and counted, and whoever reads asks exceeded() before reading more.
#pragma once

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
  bool exceeded() const { return used_bytes() > limit_bytes(); }

 private:
  std::atomic<uint64_t> limit_bytes_;
  std::atomic<uint64_t> used_{0};
};

}  // namespace agent
