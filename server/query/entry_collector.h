// EntryCollector: the first `limit` entries in the order of a log query, whatever order they are offered in; equal
// entries (same stream, time, stored line and metadata) offered from several places are kept once.
//
// Order:  time in the query's direction; then Loki's hash of the stream; then the order in the place they come from
//         (reversed for backward).
//         An interval thins out what the limit has left, as in Loki: two of five entries are not filled up to five.
// Thread: one.
// Limits: memory is that of the entries kept, held_bytes(): at most `limit` entries.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "pipeline/base/hash.h"
#include "server/logql/log_pipeline.h"
#include "server/query/result.h"

namespace server {

enum class Direction { kBackward, kForward };

struct CollectedEntry {
  pipeline::UnixNanos time = 0;
  std::string_view stream;    // text of the stored stream's labels; outlives the collector
  uint64_t stream_order = 0;  // loki_stream_order() of them
  uint64_t place = 0;         // rises in the order of arrival
  pipeline::Hash128 id;       // of stream, time, stored line and metadata
  std::string line;           // as the pipeline left it
  const ResultLabels* labels = nullptr;
};

// By this Loki orders entries of one time from several streams: XXH64 of name, 0xff, value, 0xff ...
uint64_t loki_stream_order(const LabelSet& stream);

class EntryCollector {
 public:
  EntryCollector(Direction direction, uint32_t limit, std::chrono::nanoseconds interval)
      : direction_(direction), limit_(limit), interval_(interval) {}

  // False: no entry of this time can be among the first any more.
  bool wants(pipeline::UnixNanos time) const {
    if (heap_.size() < limit_) return true;
    return direction_ == Direction::kBackward ? time >= heap_.front().time : time <= heap_.front().time;
  }
  void offer(CollectedEntry entry);
  // Everything that `other` has.
  void take(EntryCollector&& other);
  size_t size() const { return heap_.size(); }
  uint64_t held_bytes() const { return line_bytes_ + heap_.size() * (sizeof(CollectedEntry) + 32); }
  uint64_t duplicates() const { return duplicates_; }

  // In order, at most `limit`.
  std::vector<CollectedEntry> finish();

 private:
  bool before(const CollectedEntry& a, const CollectedEntry& b) const;

  Direction direction_;
  uint32_t limit_;
  std::chrono::nanoseconds interval_;
  std::vector<CollectedEntry> heap_;  // the last in order is at the front
  std::unordered_set<pipeline::Hash128> ids_;
  uint64_t duplicates_ = 0, line_bytes_ = 0;
};

}  // namespace server
