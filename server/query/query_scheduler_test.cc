#include "server/query/query_scheduler.h"

#include <chrono>
#include <condition_variable>
#include <doctest/doctest.h>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

using namespace server;
using namespace std::chrono_literals;
using pipeline::Errc;

namespace {

using Clock = std::chrono::steady_clock;

// Counts what has ended and lets the test wait for it.
class Ended {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  bool wait_for(size_t count, std::chrono::seconds most = 20s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return count_ >= count; });
  }
  size_t count() {
    std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t count_ = 0;
};

void compute(std::chrono::microseconds time) {
  for (auto end = Clock::now() + time; Clock::now() < end;) {}
}

QueryScheduler::Flag flag() { return std::make_shared<std::atomic<bool>>(false); }

// Works in pages until its turn ends.
QueryScheduler::Work endless(Ended& ended, Errc* outcome = nullptr) {
  return [&ended, outcome](QueryTurn& turn) {
    auto going = turn.breathe();
    for (; going; going = turn.breathe()) compute(300us);
    if (outcome) *outcome = going.error().code;
    ended.add();
  };
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE(
      "scheduler: no more threads compute at once than slots, thrice as many for beginners; each query runs once") {
    QueryScheduler scheduler({.slots = 2, .max_running = 8});
    Ended ended;
    std::atomic<int> computing{0}, most{0}, calls{0};
    for (int i = 0; i < 30; ++i) {
      auto done = scheduler.submit(i % 2 ? "a" : "b", flag(), [&](QueryTurn& turn) {
        ++calls;
        for (int page = 0; page < 10 && turn.breathe(); ++page) {
          int now = ++computing;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {}
          compute(100us);
          --computing;
        }
        ended.add();
      });
      REQUIRE(done.has_value());
    }
    CHECK(ended.wait_for(30));
    CHECK(calls == 30);
    CHECK(most <= 6);
    CHECK(most >= 1);
  }

  TEST_CASE("scheduler: the parts of a query run once each, on several threads when there are free slots") {
    QueryScheduler scheduler({.slots = 3, .max_running = 2});
    Ended ended;
    std::mutex mutex;
    std::multiset<size_t> parts;
    std::set<std::thread::id> threads;
    for (int round = 0; round < 20; ++round) {
      auto done = scheduler.submit("t", flag(), [&](QueryTurn& turn) {
        CHECK(turn.breathe().has_value());
        CHECK(turn.width() == 3);
        turn.run_parts(7, [&](size_t index, QueryTurn& mine) {
          for (int page = 0; page < 5; ++page) {
            CHECK(mine.breathe().has_value());
            compute(200us);
          }
          std::lock_guard lock(mutex);
          parts.insert(index);
          threads.insert(std::this_thread::get_id());
        });
        CHECK(turn.breathe().has_value());
        ended.add();
      });
      REQUIRE(done.has_value());
    }
    CHECK(ended.wait_for(20));
    for (size_t i = 0; i < 7; ++i) CHECK(parts.count(i) == 20);
    CHECK(threads.size() > 1);
  }

  TEST_CASE("scheduler: a part that waits for its turn goes on when the other parts have ended") {
    QueryScheduler scheduler({.slots = 2, .max_running = 8});
    Ended others, ended;
    for (int i = 0; i < 4; ++i) REQUIRE(scheduler.submit("t", flag(), endless(others)).has_value());
    std::atomic<int> pages{0};
    std::atomic<bool> helped{false}, first_began{false};
    auto done = scheduler.submit("t", flag(), [&](QueryTurn& turn) {
      const auto asked = std::this_thread::get_id();
      turn.run_parts(2, [&](size_t, QueryTurn& mine) {
        if (std::this_thread::get_id() == asked) {  // ends once the helper is at it
          first_began = true;
          while (!helped && mine.breathe()) compute(100us);
          return;
        }
        while (!first_began) std::this_thread::yield();
        helped = true;
        for (; pages < 200 && mine.breathe(); ++pages) compute(1ms);  // long enough to hand its slot on
      });
      CHECK(turn.breathe().has_value());
      ended.add();
    });
    REQUIRE(done.has_value());
    REQUIRE(ended.wait_for(1, 60s));
    CHECK(pages == 200);
    scheduler.stop();
  }

  TEST_CASE("scheduler: a query that runs, one in line and one not yet begun end soon after their clients went away") {
    QueryScheduler scheduler({.slots = 1, .max_running = 2});
    Ended ended;
    std::vector<std::shared_ptr<std::atomic<bool>>> flags;
    std::vector<Errc> outcomes(5, Errc::kIo);
    for (size_t i = 0; i < outcomes.size(); ++i) {
      flags.push_back(std::make_shared<std::atomic<bool>>(false));
      REQUIRE(scheduler.submit("t", flags.back(), endless(ended, &outcomes[i])).has_value());
    }
    for (int i = 0; i < 2000 && scheduler.running() < 2; ++i) std::this_thread::sleep_for(1ms);
    CHECK(scheduler.waiting() == 3);
    for (auto at : {4, 0, 1, 2, 3}) {
      auto began = Clock::now();
      size_t before = ended.count();
      *flags[static_cast<size_t>(at)] = true;
      CHECK(ended.wait_for(before + 1));
      CHECK(Clock::now() - began < 1s);  // 40 ms and a page; but the machine of the test may be busy
      CHECK(outcomes[static_cast<size_t>(at)] == Errc::kCancelled);
    }
  }

  TEST_CASE("scheduler: a cheap query is soon done beside twenty heavy ones, and knows how long it waited") {
    QueryScheduler scheduler({.slots = 1, .max_running = 64});
    Ended heavy, cheap;
    std::atomic<uint64_t> pages{0};  // of the heavy ones: a clock that a busy machine does not disturb
    for (int i = 0; i < 20; ++i) {
      auto taken = scheduler.submit("t", flag(), [&](QueryTurn& turn) {
        for (; turn.breathe(); ++pages) compute(300us);
        heavy.add();
      });
      REQUIRE(taken.has_value());
    }
    while (pages < 20 * 200) std::this_thread::sleep_for(1ms);  // each of them has had its first 50 ms
    std::vector<uint64_t> between;
    double waited = 0;
    for (size_t i = 0; i < 40; ++i) {
      uint64_t before = pages;
      auto taken = scheduler.submit("t", flag(), [&](QueryTurn& turn) {
        for (int page = 0; page < 10 && turn.breathe(); ++page) compute(300us);
        between.push_back(pages - before);
        waited += turn.waited_seconds();
        cheap.add();
      });
      REQUIRE(taken.has_value());
      REQUIRE(cheap.wait_for(i + 1));
    }
    std::sort(between.begin(), between.end());
    // A heavy one goes on beside it where there is a second processor; in a line it would be twenty for each page.
    CHECK(between[20] <= 20);
    CHECK(between[37] <= 60);
    CHECK(waited > 0);
    scheduler.stop();
    CHECK(heavy.count() == 20);
  }

  TEST_CASE("scheduler: a tenant has only so many waiting, and others are not hurt by it") {
    QueryScheduler scheduler({.slots = 1, .max_running = 1, .max_waiting_per_tenant = 2});
    Ended ended;
    REQUIRE(scheduler.submit("a", flag(), endless(ended)).has_value());
    for (int i = 0; i < 2000 && scheduler.running() < 1; ++i) std::this_thread::sleep_for(1ms);
    CHECK(scheduler.submit("a", flag(), endless(ended)).has_value());
    CHECK(scheduler.submit("a", flag(), endless(ended)).has_value());
    auto refused = scheduler.submit("a", flag(), endless(ended));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::kOverLimit);
    CHECK(refused.error().message == "too many outstanding requests");
    CHECK(scheduler.submit("b", flag(), endless(ended)).has_value());
    scheduler.stop();
    CHECK(ended.count() == 4);
    CHECK(scheduler.submit("b", flag(), endless(ended)).error().code == Errc::kCancelled);
  }
}
