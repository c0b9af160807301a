#include "server/query/query_memory.h"

#include <doctest/doctest.h>

using namespace server;

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
}
