// UrlChoice: which of several URLs gets the next request: the first that works. After kFailures failures in a row the
// next one is used; while it is not the first, a request goes to the first again every kProbeEvery, and when it works
// the first is used again.
//
// Times are monotonic. Thread: one.
#pragma once

#include <chrono>
#include <cstdint>

namespace agent {

class UrlChoice {
 public:
  static constexpr uint64_t kFailures = 3;
  static constexpr std::chrono::seconds kProbeEvery{15};

  explicit UrlChoice(size_t urls) : urls_(urls) {}

  size_t current() const { return current_; }

  // The URL of the next request; may be a probe of the first.
  size_t next(std::chrono::nanoseconds now) {
    if (current_ == 0 || now < next_probe_) return current_;
    next_probe_ = now + kProbeEvery;
    return 0;
  }

  // What hedges a request to `url`.
  size_t other_than(size_t url) const { return (url + 1) % urls_; }

  // It answered, were it 429. True: it is used from now on instead of another.
  bool worked(size_t url) {
    if (url == current_) failures_ = 0;
    if (url != 0 || current_ == 0) return false;
    current_ = 0, failures_ = 0;
    return true;
  }

  // No answer, or 5xx. True: another URL is used from now on.
  bool failed(size_t url, std::chrono::nanoseconds now) {
    if (url != current_ || ++failures_ < kFailures || urls_ < 2) return false;
    current_ = (current_ + 1) % urls_;
    failures_ = 0;
    next_probe_ = now + kProbeEvery;
    return true;
  }

 private:
  size_t urls_;
  size_t current_ = 0;
  uint64_t failures_ = 0;  // of the current one, in a row
  std::chrono::nanoseconds next_probe_{0};
};

}  // namespace agent
