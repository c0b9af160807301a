// RangeSums: count_over_time, rate, bytes_over_time and bytes_rate over windows that slide, entry by entry in any
// order.
//
// Window i is (T - offset - range, T - offset] with T = grid.at(i). An entry changes two numbers of its series, however
// many windows hold it: O(entries + series * steps it touches).
//
// Life:    one RangeSums per worker; finish() joins those of all workers.
// Thread:  one at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

// The entries that are in some window have times in [begin, end).
struct EntryTimes {
  UnixNanos begin = 0, end = 0;
};
EntryTimes entry_times(const LogRange& range, const StepGrid& grid);

class RangeSums {
 public:
  // `op` is one of the four.
  RangeSums(RangeOp op, const LogRange& range, const StepGrid& grid);

  // True: the values need the length of lines.
  bool counts_bytes() const { return op_ == RangeOp::kBytesOverTime || op_ == RangeOp::kBytesRate; }

  // Entries out of every window are ignored. `series` comes from LabelResults.
  void add(LabelResults::Id series, UnixNanos time, uint64_t line_bytes);
  // Entries of one series, ascending times; only for ops that do not count bytes. Costs a search per window border that
  // lies between them, not a step per entry.
  void add_sorted(LabelResults::Id series, std::span<const UnixNanos> times);
  // The same with the offsets of the lines (times.size() + 1 of them), for ops that count bytes.
  void add_sorted(LabelResults::Id series, std::span<const UnixNanos> times, std::span<const uint32_t> offsets);

  // What one worker has gathered.
  struct Part {
    const RangeSums* sums;
    const LabelResults* labels;
  };
  // Series with equal labels are joined. kInvalid: pipeline_error_text of a series with __error__ in some window.
  static Result<Matrix> finish(std::span<const Part> parts);

 private:
  // Differences between neighbouring windows, from `first` on; the value of a window is the sum up to it.
  struct Steps {
    uint32_t first = 0;
    std::vector<int64_t> entries, bytes;  // bytes stays empty unless counted
  };
  struct Window {
    uint32_t first, last;  // last is excluded
  };
  Window windows_of(UnixNanos time) const;
  void add_to(Steps& steps, Window window, int64_t entries, int64_t bytes);
  Steps& steps_of(LabelResults::Id series);

  RangeOp op_;
  StepGrid grid_;
  int64_t range_ns_, offset_ns_;
  std::vector<Steps> series_;  // by LabelResults::Id
};

}  // namespace server
