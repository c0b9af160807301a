// SoberClock: the wall clock for what cannot be undone. When it jumps ahead (a mistaken administrator, a bad time
// server), entries must not be dropped for their age at once: the jump counts once it has lasted for Options::belief.
// Until then time goes on from where it was, as the monotonic clock says. Backwards it is followed at once: that drops
// nothing.
//
// Thread: one at a time. Errors: none; a jump is a warning.
#pragma once

#include <chrono>
#include <optional>

#include "pipeline/base/clock.h"

namespace server {

class SoberClock {
 public:
  // `clock` outlives it.
  explicit SoberClock(const pipeline::Clock& clock, std::chrono::nanoseconds belief = std::chrono::hours(1))
      : clock_(clock), belief_(belief), wall_(clock.wall()), monotonic_(clock.monotonic()) {}

  // To be asked often: what lies between two calls and is less than a minute is no jump.
  pipeline::UnixNanos now();

 private:
  const pipeline::Clock& clock_;
  const std::chrono::nanoseconds belief_;
  pipeline::UnixNanos wall_;            // believed,
  std::chrono::nanoseconds monotonic_;  // at this time
  std::optional<std::chrono::nanoseconds> jumped_;
};

}  // namespace server
