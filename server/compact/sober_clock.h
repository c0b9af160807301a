// SoberClock: the wall clock for what cannot be undone. When it jumps ahead (a mistaken administrator, a bad time
// server, a clock without a battery), nothing must be erased for its age because of that: the jump counts once it has
// lasted for Options::belief. Until then time goes on from where it was, as the monotonic clock says, and it is in
// doubt. Backwards it is followed at once: that erases nothing.
//
// A start is looked at like that, too, where the time is known that a program before believed last: more than an hour
// later the clock may have jumped, or the program was not run for long. Nobody can tell, and waiting does no harm.
//
// Thread: one at a time, but for ahead() (any). Errors: none; a jump is a warning.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>

#include "pipeline/base/clock.h"

namespace server {

struct SoberClockOptions {
  std::chrono::nanoseconds belief = std::chrono::hours(1);
  pipeline::UnixNanos last_seen = 0;                // what was kept last; 0: not known
  std::function<void(pipeline::UnixNanos)> keep{};  // for the next program, once a minute; may be empty
};

class SoberClock {
 public:
  // `clock` outlives it.
  explicit SoberClock(const pipeline::Clock& clock, SoberClockOptions options = {});

  // To be asked often: what lies between two calls and is less than a minute is no jump.
  pipeline::UnixNanos now();
  bool in_doubt() const { return jumped_.has_value(); }                                       // as of the last now()
  std::chrono::nanoseconds ahead() const { return std::chrono::nanoseconds(ahead_.load()); }  // the clock, of now()

 private:
  pipeline::UnixNanos judge(std::chrono::nanoseconds monotonic);

  const pipeline::Clock& clock_;
  const SoberClockOptions options_;
  pipeline::UnixNanos wall_;            // believed,
  std::chrono::nanoseconds monotonic_;  // at this time
  std::optional<std::chrono::nanoseconds> jumped_, kept_;
  std::atomic<int64_t> ahead_{0};
};

}  // namespace server
