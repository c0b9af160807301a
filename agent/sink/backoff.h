// Backoff: how long to wait before the n-th repetition: random in [d, 2d), d = min * 2^(n-1), both ends at most max.
#pragma once

#include <chrono>
#include <cstdint>

namespace agent {

class Backoff {
 public:
  Backoff(std::chrono::nanoseconds min, std::chrono::nanoseconds max) : max_(max), next_(min < max ? min : max) {}

  // `random`: any 64 random bits.
  std::chrono::nanoseconds next(uint64_t random) {
    std::chrono::nanoseconds low = next_, high = std::min(2 * low, max_);
    next_ = high;
    auto spread = static_cast<uint64_t>((high - low).count());
    return low + std::chrono::nanoseconds(spread == 0 ? 0 : random % spread);
  }

 private:
  std::chrono::nanoseconds max_, next_;
};

}  // namespace agent
