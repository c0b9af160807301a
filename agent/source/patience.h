// Patience: how long a full sink may hold up the others of its source: kMost at once, and in the long run one part in
// kShare of the time. A short pause costs less than reading lines twice.
//
// Times are monotonic. Thread: one.
#pragma once

#include <algorithm>
#include <chrono>

namespace agent {

class Patience {
 public:
  static constexpr std::chrono::nanoseconds kMost = std::chrono::milliseconds(200);
  static constexpr int kShare = 20;

  // The sink is full, and others wait for it since the first such call.
  bool is_spent(std::chrono::nanoseconds now) {
    if (!waiting_) {
      left_ = std::min(kMost, left_ + (now - ended_) / kShare);
      since_ = now, waiting_ = true;
    }
    return now - since_ >= left_;
  }
  // Nobody waits for it.
  void rest(std::chrono::nanoseconds now) {
    if (!waiting_) return;
    left_ = std::max<std::chrono::nanoseconds>(left_ - (now - since_), std::chrono::nanoseconds(0));
    ended_ = now, waiting_ = false;
  }

 private:
  std::chrono::nanoseconds left_ = kMost;
  std::chrono::nanoseconds since_{0}, ended_{0};
  bool waiting_ = false;
};

}  // namespace agent
