// DropCounts: what stages gave up on purpose, by reason, and what else they count. Plain numbers with one owner, who
// adds them to the metrics (skidway_agent_dropped_lines_total{reason}) after each batch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pipeline {

class DropCounts {
 public:
  struct Count {
    std::string reason;
    uint64_t lines = 0, bytes = 0;
  };

  void add(std::string_view reason, uint64_t lines, uint64_t bytes) {
    for (Count& count : counts_) {
      if (count.reason != reason) continue;
      count.lines += lines, count.bytes += bytes;
      return;
    }
    counts_.push_back({std::string(reason), lines, bytes});
  }
  const std::vector<Count>& counts() const { return counts_; }
  uint64_t lines() const {
    uint64_t sum = 0;
    for (const Count& count : counts_) sum += count.lines;
    return sum;
  }

  // loki_process_cri_partial_lines_flushed_total and loki_process_cri_lines_truncated_total.
  uint64_t cri_partials_flushed = 0, cri_lines_truncated = 0;

  // Back to nothing; known reasons stay, with 0.
  void reset() {
    for (Count& count : counts_) count.lines = count.bytes = 0;
    cri_partials_flushed = cri_lines_truncated = 0;
  }

 private:
  std::vector<Count> counts_;  // few
};

}  // namespace pipeline
