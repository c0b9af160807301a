// RequestLimit: how many requests may run at once, found out while they run: one more for every full round of good
// answers, half of it when the store says it is too much (AIMD).
//
// Thread: one.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace server {

class RequestLimit {
 public:
  explicit RequestLimit(uint32_t most) : most_(most), limit_(std::min<double>(kStart, most)) {}

  uint32_t value() const { return static_cast<uint32_t>(limit_); }

  // `running`: those underway with this one. A limit that nobody reaches does not grow.
  void on_answer(uint32_t running) {
    if (running * 2 >= value()) limit_ = std::min<double>(most_, limit_ + 1 / limit_);
  }
  // Answers to requests of the same moment count once.
  void on_slow_down(std::chrono::nanoseconds now) {
    if (now < next_cut_) return;
    limit_ = std::max(1.0, limit_ / 2);
    next_cut_ = now + kCutEvery;
  }

 private:
  static constexpr double kStart = 16;
  static constexpr std::chrono::milliseconds kCutEvery{1'000};

  const uint32_t most_;
  double limit_;
  std::chrono::nanoseconds next_cut_{-kCutEvery};
};

}  // namespace server
