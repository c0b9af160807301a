#include "server/query/query_memory.h"

#include <doctest/doctest.h>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace server;

namespace {

constexpr uint64_t kMiB = 1 << 20;

// Bytes that are allocated now; 0 where somebody else than the C library allocates (sanitizers).
uint64_t allocated() { return mallinfo2().uordblks; }

uint64_t resident() {
  uint64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query memory: what one part gives back another may take, and the peak is remembered") {
    QueryMemory memory(1000);
    MemoryUse first(memory, "count_over_time");
    CHECK(first.hold(600, 1).has_value());
    {
      MemoryUse second(memory, "sum_over_time");
      CHECK(second.add(300, 1).has_value());
      CHECK(second.add(100, 2).has_value());
      CHECK_FALSE(second.add(1, 3).has_value());
      CHECK(second.bytes() == 400);
      CHECK(first.hold(500, 1).has_value());
      CHECK(second.add(100, 3).has_value());
    }
    CHECK(memory.held_bytes() == 500);
    CHECK(memory.peak_bytes() == 1000);
  }

  TEST_CASE("query memory: over the limit the error names the aggregation, its series and the remedy") {
    QueryMemory memory(100 << 20);
    MemoryUse use(memory, "quantile_over_time");
    auto refused = use.hold(130 << 20, 70'000);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == pipeline::Errc::kOverLimit);
    CHECK(refused.error().message ==
          "the query needs more memory than query.memory_limit allows (100 MiB): quantile_over_time would hold 130 MiB "
          "for 70000 series; aggregate with sum by (...), narrow the selector or the time range, or use a larger step");
  }

  TEST_CASE("query memory: a limit of 0 is none") {
    QueryMemory memory(0);
    MemoryUse use(memory, "rate");
    CHECK(use.hold(uint64_t{1} << 40, 1).has_value());
  }

  TEST_CASE("query memory: what wide queries let go, each on a thread of its own, does not stay resident") {
    std::vector<std::unique_ptr<char[]>> kept;  // one small thing behind each query's memory, as results and caches are
    const uint64_t before = resident();
    for (int query = 0; query < 4; ++query) {
      std::thread([&] {
        QueryMemory memory(0);
        MemoryUse use(memory, "count_over_time");
        std::vector<std::unique_ptr<char[]>> series;
        while (series.size() < 64 * 1024) series.emplace_back(new char[1024]())[0] = 1;
        REQUIRE(use.hold(64 * kMiB, series.size()).has_value());
        kept.emplace_back(new char[1024]())[0] = 1;
      }).join();
    }
    if (allocated() > 0) CHECK(resident() < before + 48 * kMiB);
  }
}
