#include "server/logql/window_buckets.h"

#include <algorithm>

namespace server {
namespace {

// Ranges and offsets may be as long as time itself.
UnixNanos minus(UnixNanos time, int64_t distance) {
  UnixNanos out;
  if (!__builtin_sub_overflow(time, distance, &out)) return out;
  return distance > 0 ? INT64_MIN : INT64_MAX;
}

UnixNanos next(UnixNanos time) { return time == INT64_MAX ? time : time + 1; }

}  // namespace

EntryTimes entry_times(const LogRange& range, const StepGrid& grid) {
  return {next(minus(minus(grid.start, range.offset_ns), range.range_ns)),
          next(minus(grid.at(grid.count - 1), range.offset_ns))};
}

WindowBuckets::WindowBuckets(const LogRange& range, const StepGrid& grid) {
  borders_.reserve(2 * size_t{grid.count});
  for (uint32_t i = 0; i < grid.count; ++i) {
    const UnixNanos end = minus(grid.at(i), range.offset_ns);
    borders_.push_back(end);
    borders_.push_back(minus(end, range.range_ns));
  }
  std::sort(borders_.begin(), borders_.end());
  borders_.erase(std::unique(borders_.begin(), borders_.end()), borders_.end());
  in_window_.resize(borders_.size());
  windows_.reserve(grid.count);
  auto index = [&](UnixNanos border) {
    return static_cast<uint32_t>(std::lower_bound(borders_.begin(), borders_.end(), border) - borders_.begin());
  };
  uint32_t seen = 0;  // buckets before it are known to be in a window, or never will be
  for (uint32_t i = 0; i < grid.count; ++i) {
    const UnixNanos end = minus(grid.at(i), range.offset_ns);
    const Window window{index(minus(end, range.range_ns)) + 1, index(end) + 1};
    windows_.push_back(window);
    for (seen = std::max(seen, window.begin); seen < window.end; ++seen) in_window_[seen] = true;
  }
}

WindowBuckets::Bucket WindowBuckets::at(UnixNanos time) const {
  const auto border = std::lower_bound(borders_.begin(), borders_.end(), time);
  if (border == borders_.begin()) return {0, INT64_MIN, *border, false};
  if (border == borders_.end()) return {static_cast<uint32_t>(borders_.size()), borders_.back(), INT64_MAX, false};
  const auto index = static_cast<uint32_t>(border - borders_.begin());
  return {index, *(border - 1), *border, in_window_[index]};
}

UnixNanos WindowBuckets::window_start(uint32_t step) const { return borders_[windows_[step].begin - 1]; }
UnixNanos WindowBuckets::window_end(uint32_t step) const { return borders_[windows_[step].end - 1]; }

uint32_t WindowBuckets::first_reaching(uint32_t bucket, uint32_t step) const {
  const auto reaching = std::partition_point(windows_.begin() + step, windows_.end(),
                                             [&](const Window& window) { return window.end <= bucket; });
  return static_cast<uint32_t>(reaching - windows_.begin());
}

}  // namespace server
