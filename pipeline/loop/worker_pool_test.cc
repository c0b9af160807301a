#include "pipeline/loop/worker_pool.h"

#include <atomic>
#include <doctest/doctest.h>
#include <future>
#include <optional>
#include <thread>

using namespace pipeline;
using namespace std::chrono_literals;

namespace {
std::unique_ptr<Loop> new_loop() { return *Loop::create(); }
}  // namespace

TEST_SUITE_BEGIN("loop");

TEST_CASE("worker pool: brings values, results and plain ends back to the loop") {
  auto loop = new_loop();
  {
    WorkerPool pool(*loop, "work", 2);
    int waiting = 3;
    auto count_down = [&] {
      CHECK(loop->is_current());
      if (--waiting == 0) loop->stop();
    };
    pool.run(
        [&loop] {
          CHECK_FALSE(loop->is_current());
          return std::make_unique<int>(7);
        },
        [&](Result<std::unique_ptr<int>> r) {
          REQUIRE(r.has_value());
          CHECK(**r == 7);
          count_down();
        });
    pool.run([]() -> Result<std::string> { return fail(Errc::kIo, "no"); },
             [&](Result<std::string> r) {
               REQUIRE_FALSE(r.has_value());
               CHECK(r.error().code == Errc::kIo);
               count_down();
             });
    pool.run([] {},
             [&](Result<void> r) {
               CHECK(r.has_value());
               count_down();
             });
    loop->run();
    CHECK(waiting == 0);
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("worker pool: one thread keeps the order") {
  auto loop = new_loop();
  {
    WorkerPool pool(*loop, "one", 1);
    std::vector<int> ran, finished;  // ran: worker; finished: loop
    for (int i = 0; i < 200; ++i) {
      pool.run(
          [&ran, i] {
            ran.push_back(i);
            return i;
          },
          [&](Result<int> r) {
            finished.push_back(*r);
            if (finished.size() == 200) loop->stop();
          });
    }
    loop->run();
    CHECK(std::is_sorted(ran.begin(), ran.end()));
    CHECK(ran == finished);
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("worker pool: stop finishes what runs, tells the waiting kCancelled, and forgets nobody") {
  auto loop = new_loop();
  int finished = 0, cancelled = 0;
  std::promise<void> begun, go_on;
  {
    WorkerPool pool(*loop, "stopping", 1);
    auto count = [&](Result<int> r) {
      ++finished;
      if (!r && r.error().code == Errc::kCancelled) ++cancelled;
    };
    pool.run(
        [&] {
          begun.set_value();
          go_on.get_future().wait();
          return 1;
        },
        count);
    for (int i = 0; i < 9; ++i) pool.run([i] { return i; }, count);
    begun.get_future().wait();
    CHECK(pool.waiting() == 9);
    std::thread release([&] { go_on.set_value(); });
    pool.stop();
    release.join();
    // With one thread busy until stop() had begun or not, the running one is finished and no one is lost.
    CHECK(finished == 10);
    CHECK(cancelled <= 9);
    pool.run([] { return 1; }, count);  // too late: told so on the loop
    CHECK(finished == 10);
    loop->turn(1000ms);
    CHECK(finished == 11);
    pool.stop();
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("worker pool: can be destroyed by one of its results, and the others still arrive") {
  auto loop = new_loop();
  int finished = 0;
  std::optional<WorkerPool> pool;
  pool.emplace(*loop, "short", 2);
  for (int i = 0; i < 50; ++i) {
    pool->run([] { return 1; },
              [&](Result<int>) {
                if (++finished == 1) pool.reset();
                if (finished == 50) loop->stop();
              });
  }
  loop->run();
  CHECK(finished == 50);
  CHECK(loop->close().has_value());
}

TEST_CASE("worker pool: frees what the work captured on the worker") {
  auto loop = new_loop();
  {
    WorkerPool pool(*loop, "free", 1);
    struct Witness {
      std::thread::id* freed_on;
      ~Witness() { *freed_on = std::this_thread::get_id(); }
    };
    std::thread::id freed_on;
    pool.run([w = std::make_unique<Witness>(&freed_on)] {}, [&](Result<void>) { loop->stop(); });
    loop->run();
    CHECK(freed_on != std::thread::id());
    CHECK(freed_on != std::this_thread::get_id());
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("worker pool: takes work from any thread") {
  auto loop = new_loop();
  {
    WorkerPool pool(*loop, "any", 2);
    std::atomic<int> worked = 0;
    int finished = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          pool.run([&] { ++worked; },
                   [&](Result<void>) {
                     if (++finished == 300) loop->stop();
                   });
        }
      });
    }
    loop->run();
    for (auto& thread : threads) thread.join();
    CHECK(worked == 300);
  }
  CHECK(loop->close().has_value());
}

TEST_SUITE_END();
