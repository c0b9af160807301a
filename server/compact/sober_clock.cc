#include "server/compact/sober_clock.h"

#include "pipeline/base/log.h"

namespace server {

namespace {

constexpr int64_t kJump = 60'000'000'000;      // while it runs
constexpr int64_t kPause = 3'600'000'000'000;  // between two runs
constexpr std::chrono::nanoseconds kKeep{60'000'000'000};

}  // namespace

SoberClock::SoberClock(const pipeline::Clock& clock, SoberClockOptions options)
    : clock_(clock), options_(std::move(options)), wall_(clock.wall()), monotonic_(clock.monotonic()) {
  if (options_.last_seen > 0 && wall_ - options_.last_seen > kPause) wall_ = options_.last_seen;
}

pipeline::UnixNanos SoberClock::now() {
  const auto monotonic = clock_.monotonic();
  const pipeline::UnixNanos time = judge(monotonic);
  if (options_.keep && (!kept_ || monotonic - *kept_ >= kKeep)) {
    kept_ = monotonic;
    options_.keep(time);
  }
  return time;
}

pipeline::UnixNanos SoberClock::judge(std::chrono::nanoseconds monotonic) {
  const pipeline::UnixNanos wall = clock_.wall(), expected = wall_ + (monotonic - monotonic_).count();
  if (wall - expected > kJump) {
    if (!jumped_) {
      jumped_ = monotonic;
      pipeline::log_warn(
          "the clock jumped ahead, or the server was not run for long: for a while nothing is erased for its age; set "
          "the clock right if it is wrong, else nothing needs to be done",
          {{"ahead_seconds", (wall - expected) / 1'000'000'000},
           {"for_seconds", std::chrono::duration_cast<std::chrono::seconds>(options_.belief).count()}});
    }
    ahead_ = wall - expected;
    if (monotonic - *jumped_ < options_.belief) return expected;
  }
  jumped_.reset();
  ahead_ = 0;
  wall_ = wall, monotonic_ = monotonic;
  return wall;
}

}  // namespace server
