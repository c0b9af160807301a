// HedgePolicy: when a request that has no answer yet is sent once more: after it took longer than 95 of 100 before it
// (and half as long again), or, where one answer in ten is late and 95 of 100 say nothing about the others, than a
// second and eight times what the middle one took. For at most one request in five: fewer could not keep up with such a
// store, and more would be a burden to one that is slow because it has too much to do.
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
    std::sort(sorted.begin(), sorted.begin() + n);
    delay_ = std::max(at_least_, std::min(sorted[n * 95 / 100] * 3 / 2, std::max(kLate, sorted[n / 2] * 8)));
  }
  // Whether one may be sent now; counts it.
  bool take() {
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  static constexpr double kTokensPerRequest = 0.2, kMostTokens = 10;
  static constexpr std::chrono::milliseconds kLate{1'000};
  static constexpr size_t kRefresh = 16;  // answers between two looks at the recent ones

  const std::chrono::milliseconds at_least_;
  std::chrono::milliseconds delay_;
  std::array<std::chrono::milliseconds, 128> recent_{};
  size_t count_ = 0;
  double tokens_ = kMostTokens;
};

}  // namespace server
