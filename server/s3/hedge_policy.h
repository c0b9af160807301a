// HedgePolicy: when a request that has no answer yet is sent a second time: after it took longer than 95 of 100 before
// it (and half as long again), and for at most one request in twenty.
//
// Thread: one.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

namespace server {

class HedgePolicy {
 public:
  // `unknown`: the delay before anything is known.
  HedgePolicy(std::chrono::milliseconds at_least, std::chrono::milliseconds unknown)
      : at_least_(at_least), delay_(unknown) {}

  std::chrono::milliseconds delay() const { return delay_; }

  void on_start() { tokens_ = std::min(kMostTokens, tokens_ + kTokensPerRequest); }
  void on_answer(std::chrono::milliseconds took) {
    recent_[count_++ % recent_.size()] = took;
    if (count_ % kRefresh != 0) return;
    auto sorted = recent_;
    const size_t n = std::min(count_, sorted.size());
    const size_t rank = n * 95 / 100;
    std::nth_element(sorted.begin(), sorted.begin() + rank, sorted.begin() + n);
    delay_ = std::max(at_least_, sorted[rank] * 3 / 2);
  }
  // Whether one may be sent now; counts it.
  bool take() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kTokensPerRequest = 0.05, kMostTokens = 10;
  static constexpr size_t kRefresh = 16;  // answers between two looks at the recent ones

  const std::chrono::milliseconds at_least_;
  std::chrono::milliseconds delay_;
  std::array<std::chrono::milliseconds, 128> recent_{};
  size_t count_ = 0;
  double tokens_ = kMostTokens;
};

}  // namespace server
