#include "pipeline/loop/heap_trimmer.h"

#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace pipeline;
using namespace std::chrono_literals;

namespace {

constexpr uint64_t kMiB = 1 << 20;

// 64 MiB that are free again, behind them a block that is not: nothing of it goes back by itself.
std::unique_ptr<char[]> make_a_hole() {
  std::vector<std::unique_ptr<char[]>> blocks;
  while (blocks.size() < 64 * 1024) blocks.emplace_back(new char[1024]())[0] = 1;
  return std::move(blocks.back());
}

}  // namespace

TEST_SUITE("heap trimmer") {
  TEST_CASE("heap trimmer: what is idle is returned, as often as it comes") {
    Registry registry;
    const auto first = make_a_hole();
    const uint64_t idle = idle_heap_bytes();
    if (idle == 0) return;  // sanitizers allocate themselves
    REQUIRE(idle > 56 * kMiB);
    Counter& returned = registry.counter("test_heap_returned_bytes_total", "");
    HeapTrimmer trimmer(registry, "test", {10ms, 16 * kMiB});
    for (const uint64_t times : {1, 2}) {
      for (int i = 0; i < 1000 && returned.value() < times * 48 * kMiB; ++i) std::this_thread::sleep_for(10ms);
      CHECK(returned.value() >= times * 48 * kMiB);
      CHECK(idle_heap_bytes() < 24 * kMiB);
      if (times == 1) (void)make_a_hole();
    }
  }

  TEST_CASE("heap trimmer: a little stays, and nobody waits for its end") {
    Registry registry;
    const auto kept = make_a_hole();
    {
      HeapTrimmer trimmer(registry, "test", {10ms, uint64_t{1} << 40});
      std::this_thread::sleep_for(100ms);
    }
    CHECK(registry.counter("test_heap_trims_total", "").value() == 0);
    const auto begin = std::chrono::steady_clock::now();
    { HeapTrimmer trimmer(registry, "test", {1h, 0}); }
    CHECK(std::chrono::steady_clock::now() - begin < 10s);
  }
}
