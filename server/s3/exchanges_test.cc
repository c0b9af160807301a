// The parts of exchanges.h that decide when: the limit of requests at once, the second try, the keys, the cost.

#include "server/s3/exchanges.h"

#include <atomic>
#include <doctest/doctest.h>

using namespace server;
using namespace std::chrono_literals;
using pipeline::Errc;
using pipeline::fail;

TEST_SUITE_BEGIN("server/s3");

TEST_CASE("request limit: grows by one a full round, is halved at most once a second, and never below one") {
  RequestLimit limit(64);
  const uint32_t start = limit.value();
  for (uint32_t i = 0; i < start + 1; ++i) limit.on_answer(limit.value());
  CHECK(limit.value() == start + 1);
  for (int i = 0; i < 10'000; ++i) limit.on_answer(1);
  CHECK(limit.value() == start + 1);  // nobody reached it
  for (int i = 0; i < 10'000; ++i) limit.on_answer(limit.value());
  CHECK(limit.value() == 64);
  for (int i = 0; i < 10; ++i) limit.on_slow_down(1s + i * 10ms);
  CHECK(limit.value() == 32);
  for (int i = 0; i < 10; ++i) limit.on_slow_down(3s + i * 2s);
  CHECK(limit.value() == 1);
}

TEST_CASE("hedge policy: waits longer than nearly all answers took, and is sent for one request in five") {
  HedgePolicy policy(20ms, 200ms);
  CHECK(policy.delay() == 200ms);  // nothing is known yet
  for (int i = 0; i < 128; ++i) policy.on_answer(std::chrono::milliseconds(i < 124 ? 10 : 1'000));
  CHECK(policy.delay() == 20ms);
  for (int i = 0; i < 128; ++i) policy.on_answer(std::chrono::milliseconds(i < 110 ? 10 : 1'000));
  CHECK(policy.delay() == 1'000ms);
  for (int i = 0; i < 128; ++i) policy.on_answer(std::chrono::milliseconds(i % 10 == 0 ? 5'000 : 50));
  CHECK(policy.delay() == 1'000ms);  // one in ten is late: that is no reason to wait as long as those
  for (int i = 0; i < 128; ++i) policy.on_answer(std::chrono::milliseconds(i % 10 == 0 ? 5'000 : 500));
  CHECK(policy.delay() == 4'000ms);  // eight times the middle one
  for (int i = 0; i < 128; ++i) policy.on_answer(std::chrono::milliseconds(400));
  CHECK(policy.delay() == 600ms);
  int sent = 0;
  for (int i = 0; i < 1'000; ++i) {
    policy.on_start();
    sent += policy.take();
  }
  CHECK(sent >= 200);
  CHECK(sent <= 211);
}

TEST_CASE("cost meter: a month is made of hours like the last one") {
  pipeline::FakeClock clock;
  CostMeter meter(clock);
  clock.advance(30min);
  meter.add(1);
  CHECK(meter.per_month() == doctest::Approx(2 * 730));
  clock.advance(30min);
  CHECK(meter.per_month() == doctest::Approx(730));
  clock.advance(29min);
  CHECK(meter.per_month() == doctest::Approx(730));
  clock.advance(2min);
  CHECK(meter.per_month() == doctest::Approx(0));
}

TEST_CASE("key keeper: keys are renewed before they expire, while the old ones serve") {
  auto loop = *pipeline::Loop::create();
  {
    pipeline::WorkerPool pool(*loop, "keys", 1);
    pipeline::FakeClock clock;
    std::atomic<int> fetches{0};
    std::atomic<bool> away{false};
    KeyKeeper keeper(*loop, pool, clock, [&]() -> pipeline::Result<AwsKeys> {
      const int n = ++fetches;
      if (away) return fail(Errc::kUnavailable, "away");
      return AwsKeys{std::to_string(n), "s", "", 1'700'000'000'000'000'000 + n * 3'600'000'000'000};
    });
    auto get = [&] {
      std::string out;
      keeper.get([&](pipeline::Result<AwsKeys> keys) { out = keys ? keys->access_key_id : keys.error().message; });
      while (out.empty()) loop->turn(10ms);
      return out;
    };
    auto settle = [&](int n) {
      while (fetches < n) loop->turn(10ms);
      for (int i = 0; i < 5; ++i) loop->turn(10ms);
    };
    CHECK(get() == "1");
    clock.advance(54min);
    CHECK(get() == "1");
    CHECK(fetches == 1);
    clock.advance(2min);
    CHECK(get() == "1");  // and others are on their way
    settle(2);
    CHECK(get() == "2");
    clock.advance(60min);
    away = true;
    CHECK(get() == "2");
    settle(3);
    CHECK(get() == "2");  // no new ones: the old ones serve to their end
    clock.advance(5min);
    CHECK(get() == "away");
    keeper.stop();
    CHECK(get() == "the S3 client is stopping");
  }
  CHECK(loop->close().has_value());
}

TEST_SUITE_END();
