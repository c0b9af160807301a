// StreamLanes: what the stages of a stream remember of each lane (Parcel::lane), which of them hold entries back or
// want to be slow, and the memory they take for that: it counts in memory_limit.
//
// Thread: the reader's.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/sink/memory_budget.h"
#include "agent/source/source_metrics.h"
#include "pipeline/base/clock.h"
#include "pipeline/stage/stage_list.h"

namespace agent {

class StreamLanes {
 public:
  struct Lane {
    std::unique_ptr<pipeline::StageState> state;
    std::string origin;
    uint64_t held_bytes = 0;
  };

  StreamLanes(MemoryBudget& memory, SourceMetrics& metrics) : memory_(memory), metrics_(metrics) {}
  ~StreamLanes() { clear(); }
  StreamLanes(const StreamLanes&) = delete;
  StreamLanes& operator=(const StreamLanes&) = delete;

  Lane& make(uint64_t number, const pipeline::StageList& stages, const std::string& origin);  // where there is none
  Lane& at(uint64_t number) { return lanes_.at(number); }
  bool contains(uint64_t number) const { return lanes_.contains(number); }
  std::vector<uint64_t> numbers() const;

  void note(uint64_t number);  // its state has changed
  void remove(uint64_t number);
  void clear();

  bool holds_back() const { return !holding_.empty(); }
  bool is_slowed(pipeline::UnixNanos now) const;  // one is to take nothing before a time that has not come
  std::optional<uint64_t> open_from() const;      // the lowest entry that is held
  std::vector<uint64_t> due(pipeline::UnixNanos now) const;
  // Until the next of these times.
  std::chrono::nanoseconds wait_time(pipeline::UnixNanos now, std::chrono::nanoseconds longest) const;
  // The one that takes most, where all memory is used and lanes take too much of it: it must not wait for what it would
  // take to end a long window, for nothing more is read.
  std::optional<uint64_t> too_large() const;

 private:
  void count(Lane& lane, uint64_t held);

  MemoryBudget& memory_;
  SourceMetrics& metrics_;
  std::unordered_map<uint64_t, Lane> lanes_;
  std::set<uint64_t> holding_;
  uint64_t held_bytes_ = 0;
};

}  // namespace agent
