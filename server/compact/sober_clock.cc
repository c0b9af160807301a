#include "server/compact/sober_clock.h"

#include "pipeline/base/log.h"

namespace server {

namespace {
constexpr int64_t kJump = 60'000'000'000;
}  // namespace

pipeline::UnixNanos SoberClock::now() {
  const auto monotonic = clock_.monotonic();
  const pipeline::UnixNanos wall = clock_.wall(), expected = wall_ + (monotonic - monotonic_).count();
  if (wall - expected > kJump) {
    if (!jumped_) {
      jumped_ = monotonic;
      pipeline::log_warn("the clock jumped ahead: for a while nothing is dropped for its age because of that",
                         {{"seconds", (wall - expected) / 1'000'000'000}});
    }
    if (monotonic - *jumped_ < belief_) return expected;
  }
  jumped_.reset();
  wall_ = wall, monotonic_ = monotonic;
  return wall;
}

}  // namespace server
