// Whom the scheduler lets go first, on threads whose work is counted instead of measured and whose pages end when the
// test says so: whatever else the machine does, the outcome is the same.
#include <atomic>
#include <condition_variable>
#include <doctest/doctest.h>
#include <mutex>
#include <string>
#include <thread>

#include "server/query/query_scheduler.h"

using namespace server;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 30s;  // for what comes at once, on a machine that is busy

class CountedThread;
thread_local CountedThread* this_thread = nullptr;
std::atomic<size_t> offers{0}, lowered{0};

class CountedThread final : public QueryThread {
 public:
  CountedThread() { this_thread = this; }
  void work(std::chrono::nanoseconds time) { worked_ += time; }

  Clock::time_point now() override { return Clock::time_point(worked_); }
  void restart() override { lap_ = worked_; }
  std::chrono::nanoseconds lap() override {
    const auto lap = worked_ - lap_;
    lap_ = worked_;
    return lap;
  }

 private:
  void lower_priority() override { ++lowered; }
  void offer_processor() override { ++offers; }
  std::chrono::nanoseconds computed() override { return worked_; }

  std::chrono::nanoseconds worked_{0}, lap_{0};
};

void work(std::chrono::nanoseconds time) { this_thread->work(time); }

std::unique_ptr<QueryThread> counted_thread() { return std::make_unique<CountedThread>(); }

QueryScheduler::Flag flag() { return std::make_shared<std::atomic<bool>>(false); }

// Threads stand before it, and go through one by one, or as they like.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++standing_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_ || tickets_ > 0; });
    if (!open_) --tickets_;
    --standing_;
    ++passed_;
  }
  void open(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  void let_one_through() {
    std::lock_guard lock(mutex_);
    ++tickets_;
    changed_.notify_all();
  }
  size_t passed() {
    std::lock_guard lock(mutex_);
    return passed_;
  }
  // So many stand there, and nobody is on the way through.
  bool wait_for(size_t standing, std::chrono::milliseconds most = kPatience) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return standing_ == standing && tickets_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t standing_ = 0, tickets_ = 0, passed_ = 0;
  bool open_ = true;
};

template <class Condition>
bool wait_until(Condition condition) {
  for (auto end = std::chrono::steady_clock::now() + kPatience; !condition();) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

enum class Breath { kPages, kPauses };

// Twenty heavy queries of a tenant, each far beyond what comes before others, that stand still in the middle of a page.
class Twenty {
 public:
  Twenty(size_t slots, Breath breath) : scheduler({.slots = slots}, counted_thread), slots_(slots) {
    for (int i = 0; i < kCount; ++i) {
      auto taken = scheduler.submit("heavy", flag(), [this, breath](QueryTurn& turn) {
        int had = 0;
        while (turn.breathe()) {
          const int steps = breath == Breath::kPages ? 1 : 1000;
          for (int step = 0; step < steps && !over; ++step) {
            work(1ms);
            if (++had == 60) ++far_;
            gate.pass();
            if (breath == Breath::kPauses) turn.pause();
          }
        }
      });
      REQUIRE(taken.has_value());
    }
    REQUIRE(wait_until([this] { return far_ == kCount; }));
    gate.open(false);
    REQUIRE(gate.wait_for(slots));
  }
  ~Twenty() {
    over = true;
    gate.open(true);
    scheduler.stop();
  }

  // How many steps the heavy ones make until `done`, one after the other.
  size_t steps_until(const std::atomic<bool>& done, size_t most) {
    size_t steps = 0;
    for (; !done && steps < most; ++steps) {
      gate.let_one_through();
      while (!gate.wait_for(slots_, 1ms) && !done) {}
    }
    return steps;
  }

  static constexpr int kCount = 20;
  Gate gate;
  std::atomic<bool> over{false};
  QueryScheduler scheduler;

 private:
  const size_t slots_;
  std::atomic<int> far_{0};
};

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("fairness: a cheap query ends while twenty heavy ones stand still in the middle of a page") {
    for (const char* tenant : {"heavy", "another"}) {
      CAPTURE(std::string(tenant));
      std::atomic<int> ended{0};
      Twenty heavy(2, Breath::kPages);
      for (int i = 1; i <= 10; ++i) {
        auto taken = heavy.scheduler.submit(tenant, flag(), [&](QueryTurn& turn) {
          for (int page = 0; page < 3 && turn.breathe(); ++page) work(900us);
          ++ended;
        });
        REQUIRE(taken.has_value());
        REQUIRE(wait_until([&] { return ended == i; }));
      }
    }
  }

  TEST_CASE("fairness: a query of 20 ms waits for three pages of twenty heavy ones, and within a page no longer") {
    for (const char* tenant : {"heavy", "another"}) {
      for (const Breath breath : {Breath::kPages, Breath::kPauses}) {
        CAPTURE(std::string(tenant));
        CAPTURE(breath == Breath::kPages);
        std::atomic<bool> ended{false};
        Twenty heavy(1, breath);
        auto taken = heavy.scheduler.submit(tenant, flag(), [&](QueryTurn& turn) {
          for (int page = 0; page < 20 && turn.breathe(); ++page) work(1ms);
          ended = true;
        });
        REQUIRE(taken.has_value());
        REQUIRE(wait_until([&] { return heavy.scheduler.in_line() == Twenty::kCount; }));  // with 19 of the others
        CHECK(heavy.steps_until(ended, 100) <= 3);
        REQUIRE(wait_until([&] { return ended.load(); }));
      }
    }
  }

  TEST_CASE("fairness: one heavy query alone keeps the processor, beside another one it gives way at every page") {
    offers = 0, lowered = 0;
    std::atomic<size_t> alone{0}, beside{0};
    std::atomic<bool> read_alone{false}, has_company{false}, ended{false};
    QueryScheduler scheduler({.slots = 2}, counted_thread);
    auto taken = scheduler.submit("a", flag(), [&](QueryTurn& turn) {
      auto offers_in = [&](int pages) {
        const size_t before = offers;
        for (int page = 0; page < pages && turn.breathe(); ++page) work(1ms);
        return offers - before;
      };
      alone = offers_in(100);
      read_alone = true;
      while (!has_company && turn.breathe()) std::this_thread::sleep_for(1ms);
      beside = offers_in(100);
      ended = true;
    });
    REQUIRE(taken.has_value());
    REQUIRE(wait_until([&] { return read_alone.load(); }));
    CHECK(lowered == 1);
    taken = scheduler.submit("a", flag(), [&](QueryTurn& turn) {
      has_company = true;
      while (!ended && turn.breathe()) std::this_thread::sleep_for(1ms);
    });
    REQUIRE(taken.has_value());
    REQUIRE(wait_until([&] { return ended.load(); }));
    CHECK(alone.load() == 0);
    CHECK(beside.load() == 100);
  }
}
