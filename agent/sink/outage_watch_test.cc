#include "agent/sink/outage_watch.h"

#include <doctest/doctest.h>

namespace agent {
using namespace std::chrono_literals;

TEST_SUITE("agent/sink") {
  TEST_CASE("outage: a far side that says `later` for two seconds is away, until it answers") {
    OutageWatch watch;
    CHECK_FALSE(watch.check(100s, true, true));  // nothing was sent
    watch.sent(100s);
    watch.sent(101s);
    CHECK_FALSE(watch.check(101s, true, false));
    CHECK(watch.check(102s, true, false));
    CHECK(watch.away());
    CHECK_FALSE(watch.check(103s, true, false));  // told once
    CHECK(watch.answered(104s, false));
    CHECK_FALSE(watch.away());
    CHECK_FALSE(watch.check(200s, true, false));
  }

  TEST_CASE("outage: silence counts sooner when the queue is full") {
    OutageWatch watch;
    watch.sent(0s);
    CHECK_FALSE(watch.check(4s, false, false));
    SUBCASE("full") { CHECK(watch.check(2s, false, true)); }
    SUBCASE("not full") { CHECK(watch.check(5s, false, false)); }
  }

  TEST_CASE("outage: a slow far side that answers now and then is not away") {
    OutageWatch watch;
    watch.sent(0s);
    for (auto now = 1s; now < 60s; now += 1s) {
      CHECK_FALSE(watch.answered(now, true));
      CHECK_FALSE(watch.check(now + 999ms, true, true));
    }
  }
}

}  // namespace agent
