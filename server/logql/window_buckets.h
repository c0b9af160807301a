// WindowBuckets: time cut where a window of a range aggregation begins or ends. Between two neighbouring cuts lies a
// bucket; every window is a run of buckets, so whatever can be joined needs to be gathered once per bucket, not once
// per window that holds it.
//
// Window i is (T - offset - range, T - offset] with T = grid.at(i); a bucket leaves its start out and holds its end.
// There are at most 2 * grid.count - 1 buckets, numbered from 1 by time.
// Thread: any (immutable).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/logql/matrix.h"
#include "server/logql/syntax.h"

namespace server {

// The entries that are in some window have times in [begin, end).
struct EntryTimes {
  UnixNanos begin = 0, end = 0;
};
EntryTimes entry_times(const LogRange& range, const StepGrid& grid);

class WindowBuckets {
 public:
  WindowBuckets(const LogRange& range, const StepGrid& grid);

  struct Bucket {
    uint32_t index = 0;
    UnixNanos after = 0, last = 0;  // holds after < time <= last
    bool in_window = false;         // some window holds it
  };
  // The bucket at `time`; one that no window holds (in_window is false) reaches as far as possible.
  Bucket at(UnixNanos time) const;

  uint32_t steps() const { return static_cast<uint32_t>(windows_.size()); }
  // Window `step` holds the buckets [begin, end).
  struct Window {
    uint32_t begin = 0, end = 0;
  };
  Window window(uint32_t step) const { return windows_[step]; }
  UnixNanos window_start(uint32_t step) const;  // excluded
  UnixNanos window_end(uint32_t step) const;    // included
  // The first step from `step` on whose window reaches the bucket; steps() if none does.
  uint32_t first_reaching(uint32_t bucket, uint32_t step) const;

 private:
  std::vector<UnixNanos> borders_;  // rising; bucket i is (borders_[i - 1], borders_[i]]
  std::vector<bool> in_window_;     // by bucket
  std::vector<Window> windows_;
};

}  // namespace server
