// SendWindow: how many requests may be under way at once, between 1 and a maximum: one more for each full window of
// acks, half as many when the far side says 429 or 503 or gives no answer in time, a fifth less when answers take more
// than twice as long as usual. What was sent before the last cut is no reason for another one.
//
// Also knows how long an answer takes at most as a rule: the longest of the last kRemembered.
// Times are monotonic. Thread: one.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

namespace agent {

class SendWindow {
 public:
  static constexpr size_t kRemembered = 100;
  static constexpr std::chrono::milliseconds kNeverSlow{250};  // faster answers are no reason for anything

  explicit SendWindow(uint64_t max) : max_(static_cast<double>(max)), size_(max_) {}

  uint64_t size() const { return static_cast<uint64_t>(size_); }
  void set_max(uint64_t max) {
    if (static_cast<double>(max) == max_) return;
    max_ = size_ = static_cast<double>(max);
  }

  void acked(std::chrono::nanoseconds sent_at, std::chrono::nanoseconds now) {
    const std::chrono::nanoseconds took = now - sent_at;
    const bool slow = seen_ > 0 && took > kNeverSlow && took > 2 * usual_;
    usual_ = seen_ == 0 ? took : usual_ + (took - usual_) / 10;
    last_[seen_++ % kRemembered] = took;
    if (slow)
      cut(0.8, sent_at, now);
    else
      size_ = std::min(max_, size_ + 1 / size_);
  }

  void pushed_back(std::chrono::nanoseconds sent_at, std::chrono::nanoseconds now) { cut(0.5, sent_at, now); }

  // Nothing while too few answers are known.
  std::optional<std::chrono::nanoseconds> longest_as_a_rule() const {
    if (seen_ < kRemembered) return std::nullopt;
    return *std::max_element(last_.begin(), last_.end());
  }

 private:
  void cut(double factor, std::chrono::nanoseconds sent_at, std::chrono::nanoseconds now) {
    if (sent_at < cut_at_) return;
    size_ = std::max(1.0, size_ * factor);
    cut_at_ = now;
  }

  double max_, size_;
  std::chrono::nanoseconds cut_at_{0};
  std::chrono::nanoseconds usual_{0};  // moving mean
  std::array<std::chrono::nanoseconds, kRemembered> last_{};
  size_t seen_ = 0;
};

}  // namespace agent
