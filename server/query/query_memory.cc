#include "server/query/query_memory.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::Result;

bool QueryMemory::take(uint64_t bytes) {
  const uint64_t held = held_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (limit_bytes_ != 0 && held > limit_bytes_) {
    give_back(bytes);
    return false;
  }
  uint64_t peak = peak_bytes_.load(std::memory_order_relaxed);
  while (held > peak && !peak_bytes_.compare_exchange_weak(peak, held, std::memory_order_relaxed)) {}
  return true;
}

Result<void> MemoryUse::change(uint64_t bytes, uint64_t series) {
  if (bytes <= bytes_) {
    memory_.give_back(bytes_ - bytes);
    bytes_ = bytes;
    return {};
  }
  if (memory_.take(bytes - bytes_)) {
    bytes_ = bytes;
    return {};
  }
  auto mib = [](uint64_t n) { return pipeline::concat((n + (1 << 19)) >> 20, " MiB"); };
  return pipeline::fail(
      pipeline::Errc::kOverLimit,
      pipeline::concat("the query needs more memory than query.memory_limit allows (", mib(memory_.limit_bytes()),
                       "): ", holder_, " would hold ", mib(bytes), " for ", series, " ", things_, "; ",
                       things_ == "series" ? "aggregate with sum by (...), narrow the selector or the time range, or "
                                             "use a larger step"
                                           : "narrow the selector or the time range, or ask for fewer entries"));
}

}  // namespace server
