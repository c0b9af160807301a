#include "server/query/work_clock.h"

#include <atomic>
#include <doctest/doctest.h>
#include <sched.h>
#include <thread>

using namespace server;
using namespace std::chrono_literals;

namespace {

// Computes for so long of its own time.
void compute(std::chrono::nanoseconds time) {
  auto own = [] {
    timespec at{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec);
  };
  for (auto end = own() + time; own() < end;) {}
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("work clock: the time in which others have the processor does not count") {
    std::atomic<bool> over{false};
    auto stay = [processor = sched_getcpu()] {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(static_cast<size_t>(processor), &one);
      REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
    };
    std::thread other([&] {
      stay();
      while (!over) {}
    });
    std::chrono::nanoseconds worked{0}, passed{0};
    std::thread thread([&] {
      stay();
      WorkClock clock;
      clock.restart();
      const auto began = std::chrono::steady_clock::now();
      for (int page = 0; page < 400; ++page) {
        compute(500us);
        worked += clock.lap();
      }
      passed = std::chrono::steady_clock::now() - began;
    });
    thread.join();
    over = true;
    other.join();
    CHECK(worked >= 200ms);
    CHECK(worked < 230ms);
    CHECK(passed > 300ms);  // the other one had as much
  }

  TEST_CASE("work clock: waiting for something counts, since its length is not known otherwise") {
    WorkClock clock;
    clock.restart();
    std::this_thread::sleep_for(20ms);
    CHECK(clock.lap() >= 20ms);
  }
}
