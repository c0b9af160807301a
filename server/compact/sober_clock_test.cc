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

  TEST_CASE("sober clock: a start long after the last run is in doubt for an hour, one soon after it is not") {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    pipeline::FakeClock clock;
    const pipeline::UnixNanos before = clock.wall();
    clock.jump_wall(hours(72));
    std::vector<pipeline::UnixNanos> kept;
    SoberClockOptions options;
    options.last_seen = before;
    options.keep = [&](pipeline::UnixNanos time) { kept.push_back(time); };
    SoberClock late(clock, options);
    CHECK(late.now() == before);
    CHECK(late.in_doubt());
    CHECK(late.ahead() == hours(72));
    clock.advance(seconds(59));
    CHECK(late.now() == clock.wall() - 72 * 3'600'000'000'000);
    clock.advance(seconds(1));
    late.now();
    CHECK(kept == std::vector{before, before + 60'000'000'000});
    clock.advance(minutes(59));
    CHECK(late.now() == clock.wall());
    CHECK_FALSE(late.in_doubt());
    CHECK(late.ahead() == hours(0));
    CHECK(kept.back() == clock.wall());

    for (const pipeline::UnixNanos last : {clock.wall() - 3'599'000'000'000, clock.wall() + 1'000'000'000'000}) {
      options.last_seen = last;
      SoberClock soon(clock, options);
      CHECK(soon.now() == clock.wall());
      CHECK_FALSE(soon.in_doubt());
    }
  }
}
