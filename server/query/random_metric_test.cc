// Metric queries over objects and head, compared with the naive interpreter over the same entries.
#include "server/logql/testing/random_metric.h"

#include <doctest/doctest.h>
#include <random>

#include "server/logql/parser.h"
#include "server/logql/testing/matrix_check.h"
#include "server/logql/testing/random_run.h"
#include "server/query/testing/query_fixture.h"

using namespace server;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kStart = 1'700'000'000'000'000'000;
constexpr int64_t kMilli = 1'000'000;
const std::atomic<bool> kNotCancelled{false};

PlainEntry plain(const NaiveEntry& entry) {
  std::string metadata;
  append_metadata(metadata, std::vector<MetadataPair>(entry.metadata.begin(), entry.metadata.end()));
  return {"t", entry.stream, entry.time, entry.line, metadata};
}

// In some objects and heads, some entries in several of them.
void spread(const std::vector<NaiveEntry>& entries, RandomMetric& random, QueryFixture& data) {
  std::vector<std::vector<PlainEntry>> places(static_cast<size_t>(1 + random.pick(4)));
  auto place = [&]() -> auto& { return places[static_cast<size_t>(random.pick(static_cast<int64_t>(places.size())))]; };
  for (const NaiveEntry& entry : entries) {
    place().push_back(plain(entry));
    if (random.pick(8) == 0) place().push_back(plain(entry));
  }
  for (const auto& some : places) {
    if (some.empty()) continue;
    random.pick(3) ? data.add_object(some) : data.add_head(some);
  }
}

}  // namespace

TEST_SUITE("server/query") {
  TEST_CASE("query: random metric queries over objects and head agree with the naive interpreter") {
    const uint64_t seed = random_seed();
    INFO("seed ", seed);
    RandomMetric random(seed);
    int compared = 0;
    for (int round = 0; round < random_rounds(30); ++round) {
      const auto entries = random.entries(80, kStart, 100 * kMilli);
      QueryFixture data;
      spread(entries, random, data);
      QueryEngine engine = data.engine();
      for (int i = 0; i < 40; ++i) {
        const std::string query = random.query(6);
        INFO(query);
        const StepGrid grid{kStart + random.pick(20) * kMilli, (1 + random.pick(20)) * kMilli,
                            static_cast<uint32_t>(2 + random.pick(10))};
        auto slow = naive_metric(*parse_query(query), entries, grid);
        const auto fast =
            engine.range({"t", query, grid.start, grid.at(grid.count - 1), std::chrono::nanoseconds(grid.step_ns), {}},
                         kNotCancelled);
        // Errors of what need not be parsed may be missed.
        if (!slow) continue;
        REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
        slow->sort();
        check_same(std::get<ResultMatrix>(fast->data).matrix, *slow);
        ++compared;
      }
    }
    CHECK(compared > 500);
  }
}
