#include "server/compact/sober_clock.h"

#include <doctest/doctest.h>

#include "pipeline/base/log.h"

using namespace server;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_SUITE("server/compact") {
  TEST_CASE(
      "sober clock: a jump ahead counts once it has lasted, one that goes back never did, backwards counts at once") {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    pipeline::FakeClock clock;
    SoberClock sober(clock);
    CHECK(sober.now() == clock.wall());
    clock.advance(hours(50));  // nobody asked
    CHECK(sober.now() == clock.wall());
    constexpr int64_t kDay = 86'400'000'000'000;
    clock.jump_wall(hours(24));
    CHECK(sober.now() == clock.wall() - kDay);
    clock.advance(minutes(59));
    CHECK(sober.now() == clock.wall() - kDay);
    clock.jump_wall(hours(-24));
    CHECK(sober.now() == clock.wall());
    clock.jump_wall(hours(24));
    CHECK(sober.now() == clock.wall() - kDay);
    clock.advance(minutes(59));
    CHECK(sober.now() == clock.wall() - kDay);
    clock.advance(minutes(1));
    CHECK(sober.now() == clock.wall());
    clock.jump_wall(hours(-3));
    CHECK(sober.now() == clock.wall());
    clock.jump_wall(seconds(59));  // set right by a little
    CHECK(sober.now() == clock.wall());
  }
}
