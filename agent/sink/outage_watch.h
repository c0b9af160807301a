// OutageWatch: decides when a far side is away, so that its batches go to the spool and nothing waits for it.
//
// It is away when a batch is under way, none was answered for good (2xx, or refused) for kAway, and the far side
// said "later" or nothing at all, or its queue is full; in any case after kSilent. It is back with the first answer.
// A far side that answers some batches is slow, not away: reading pauses for it, the files are the buffer.
// Thread: one.
#pragma once

#include <chrono>
#include <optional>
#include <utility>

namespace agent {

class OutageWatch {
 public:
  static constexpr std::chrono::seconds kAway{2};
  static constexpr std::chrono::seconds kSilent{5};

  void sent(std::chrono::nanoseconds now) {  // a batch
    if (!waiting_since_) waiting_since_ = now;
  }
  // One was answered for good; `more`: others are under way. True: the far side was away until now.
  bool answered(std::chrono::nanoseconds now, bool more) {
    waiting_since_ = more ? std::optional(now) : std::nullopt;
    return std::exchange(away_, false);
  }
  // True: it is away from now on.
  bool check(std::chrono::nanoseconds now, bool says_later, bool queue_is_full) {
    if (away_ || !waiting_since_) return false;
    auto silence = now - *waiting_since_;
    away_ = silence >= kSilent || (silence >= kAway && (says_later || queue_is_full));
    return away_;
  }
  bool away() const { return away_; }

 private:
  std::optional<std::chrono::nanoseconds> waiting_since_;  // the sending or the last answer, whichever was later
  bool away_ = false;
};

}  // namespace agent
