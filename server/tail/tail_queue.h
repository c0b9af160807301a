// TailQueue: entries on their way to one client: they wait until their time has come and the client takes them, in the
// order of time, then of arrival. What does not fit is dropped, and remembered for the client.
//
// Thread:  one at a time.
// Limits:  max_bytes of entries; kMaxRemembered dropped ones, the latest.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "server/tail/tail_frame.h"

namespace server {

class TailQueue {
 public:
  static constexpr size_t kMaxFrameEntries = 100;    // Loki's
  static constexpr size_t kMaxFrameBytes = 1 << 20;  // reached, no other entry is added
  static constexpr size_t kMaxRemembered = 1000;     // Loki's

  explicit TailQueue(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Goes out before everything pushed, whatever its time.
  void push_history(std::vector<TailEntry> entries);
  // False: dropped.
  bool push(TailEntry entry);
  void drop(pipeline::UnixNanos time, std::string labels);

  // The next entries whose time is before `until`, at most a frame of them.
  std::vector<TailEntry> take(pipeline::UnixNanos until);
  // What was dropped since the last call.
  std::vector<DroppedEntry> take_dropped();
  bool has_dropped() const { return !dropped_.empty(); }

  bool empty() const { return history_.empty() && waiting_.empty(); }
  // Of the next one; the lowest time for history. Not empty.
  pipeline::UnixNanos next_time() const;
  uint64_t bytes() const { return bytes_; }

 private:
  struct Waiting {
    TailEntry entry;
    uint64_t number = 0;
  };
  static bool later(const Waiting& a, const Waiting& b) {
    return a.entry.time != b.entry.time ? a.entry.time > b.entry.time : a.number > b.number;
  }

  const uint64_t max_bytes_;
  uint64_t bytes_ = 0;
  uint64_t last_number_ = 0;
  std::deque<TailEntry> history_;
  std::vector<Waiting> waiting_;  // a heap, the earliest in front
  std::deque<DroppedEntry> dropped_;
};

}  // namespace server
