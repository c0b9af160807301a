#include "pipeline/loop/loop.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <optional>
#include <signal.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "pipeline/loop/fd_watcher.h"
#include "pipeline/loop/signal_watcher.h"
#include "pipeline/loop/timer.h"

using namespace pipeline;
using namespace std::chrono_literals;

namespace {
std::unique_ptr<Loop> new_loop() { return *Loop::create(); }
}  // namespace

TEST_SUITE_BEGIN("loop");

TEST_CASE("loop: runs tasks of other threads in their order, each once") {
  auto loop = new_loop();
  constexpr int kThreads = 4, kEach = 500;
  std::vector<int> next(kThreads, 0);
  int ran = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      CHECK_FALSE(loop->is_current());
      for (int i = 0; i < kEach; ++i) {
        loop->post([&, t, i] {
          CHECK(next[t] == i);
          next[t] = i + 1;
          if (++ran == kThreads * kEach) loop->stop();
        });
      }
    });
  }
  loop->run();
  for (auto& thread : threads) thread.join();
  CHECK(ran == kThreads * kEach);
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: never runs a task inside post") {
  auto loop = new_loop();
  bool ran = false;
  loop->post([&] { ran = true; });
  CHECK_FALSE(ran);
  loop->turn(0ms);
  CHECK(ran);
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: a task posted by a task runs in a later turn") {
  auto loop = new_loop();
  int depth = 0;
  loop->post([&] {
    ++depth;
    loop->post([&] { ++depth; });
    CHECK(depth == 1);
  });
  loop->turn(0ms);
  CHECK(depth == 1);
  loop->turn(1000ms);
  CHECK(depth == 2);
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: close runs the tasks that still wait, also those they post, and refuses later ones") {
  auto loop = new_loop();
  int ran = 0;
  loop->post([&] {
    ++ran;
    loop->post([&] { ++ran; });
  });
  CHECK(loop->close().has_value());
  CHECK(ran == 2);
  CHECK_FALSE(loop->post([&] { ++ran; }));
  CHECK(ran == 2);
  loop->stop();  // harmless
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: close says so when something still lives") {
  auto loop = new_loop();
  std::optional<Timer> timer(std::in_place, *loop, [] {});
  auto closed = loop->close();
  REQUIRE_FALSE(closed.has_value());
  CHECK(closed.error().message == "close the event loop: 1 of its objects are still alive");
  timer.reset();
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: stop before run ends the next run") {
  auto loop = new_loop();
  loop->stop();
  loop->run();
  CHECK(loop->close().has_value());
}

TEST_CASE("loop: exports how long it was busy") {
  Registry registry;
  auto loop = new_loop();
  loop->export_metrics(registry, "skidway_test");
  loop->turn(0ms);
  loop->post([] {
    const auto until = std::chrono::steady_clock::now() + 5ms;
    while (std::chrono::steady_clock::now() < until) {}
  });
  loop->turn(0ms);
  loop->turn(0ms);
  const std::string text = registry.render();
  const size_t at = text.find("\nskidway_test_loop_lag_seconds ");
  REQUIRE(at != text.npos);
  CHECK(std::stod(text.substr(text.find(' ', at + 1))) >= 0.005);
  CHECK(loop->close().has_value());
}

TEST_CASE("timer: fires once after its delay, and again when started again") {
  auto loop = new_loop();
  int fired = 0;
  {
    Timer timer(*loop, [&] { ++fired, loop->stop(); });
    const auto before = std::chrono::steady_clock::now();
    timer.start(2ms);
    CHECK(timer.active());
    loop->run();
    CHECK(std::chrono::steady_clock::now() - before >= 2ms);
    CHECK(fired == 1);
    CHECK_FALSE(timer.active());
    timer.start(0ms);
    loop->run();
    CHECK(fired == 2);
    timer.start(1ms);
    timer.stop();
    loop->turn(3ms);
    CHECK(fired == 2);
  }
  CHECK(loop->close().has_value());
}

TEST_CASE("timer: repeats, and may be destroyed by its own callback") {
  auto loop = new_loop();
  int fired = 0;
  auto timer = std::make_unique<std::optional<Timer>>();
  timer->emplace(*loop, [&] {
    if (++fired == 3) {
      timer.reset();
      loop->stop();
    }
  });
  (*timer)->start_repeating(1ms);
  loop->run();
  CHECK(fired == 3);
  CHECK(loop->close().has_value());
}

TEST_CASE("fd watcher: tells when a pipe can be read, level-triggered, until stopped") {
  auto loop = new_loop();
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  int calls = 0;
  {
    FdWatcher watcher(*loop, ends[0], [&](FdEvents events) {
      CHECK(events.readable);
      ++calls;
    });
    REQUIRE(watcher.start(true, false).has_value());
    loop->turn(0ms);
    CHECK(calls == 0);
    REQUIRE(::write(ends[1], "x", 1) == 1);
    loop->turn(1000ms);
    loop->turn(1000ms);
    CHECK(calls == 2);  // nobody read the byte
    watcher.stop();
    loop->turn(0ms);
    CHECK(calls == 2);
    REQUIRE(watcher.start(true, false).has_value());
    loop->turn(1000ms);
    CHECK(calls == 3);
    REQUIRE(watcher.start(false, false).has_value());
    loop->turn(0ms);
    CHECK(calls == 3);
  }
  CHECK(loop->close().has_value());
  ::close(ends[0]), ::close(ends[1]);
}

TEST_CASE("fd watcher: refuses a regular file") {
  auto loop = new_loop();
  const int fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  {
    FdWatcher watcher(*loop, fd, [](FdEvents) {});
    auto started = watcher.start(true, false);
    REQUIRE_FALSE(started.has_value());
    CHECK(started.error().code == Errc::kInvalid);
  }
  ::close(fd);
  CHECK(loop->close().has_value());
}

TEST_CASE("signal watcher: two watchers of one signal both hear it") {
  auto loop = new_loop();
  int first = 0, second = 0;
  {
    SignalWatcher a(*loop, SIGUSR1, [&] { ++first; });
    SignalWatcher b(*loop, SIGUSR1, [&] { ++second; });
    ::kill(::getpid(), SIGUSR1);
    for (int i = 0; i < 100 && first + second < 2; ++i) loop->turn(100ms);
  }
  CHECK(first == 1);
  CHECK(second == 1);
  CHECK(loop->close().has_value());
}

TEST_SUITE_END();
