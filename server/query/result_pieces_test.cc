#include "server/query/result_pieces.h"

#include <doctest/doctest.h>
#include <random>

#include "server/logql/parser.h"
#include "server/logql/testing/matrix_check.h"
#include "server/logql/testing/random_metric.h"
#include "server/logql/testing/random_run.h"
#include "server/query/testing/query_fixture.h"

using namespace server;
using pipeline::UnixNanos;

namespace {

constexpr int64_t kMilli = 1'000'000, kSecond = 1000 * kMilli, kMinute = 60 * kSecond;
constexpr UnixNanos kStart = 1'699'977'600 * kSecond;  // a multiple of 32 minutes and of 15
const std::atomic<bool> kNotCancelled{false};

std::vector<ResultPiece> cut(UnixNanos start, int64_t step, uint32_t count) {
  return cut_result({start, step, count}, ResultCut());
}

PlainEntry entry(int64_t second, const char* app = "a") {
  return {"t", LabelSet::from({{"app", app}}), kStart + second * kSecond, "x", ""};
}

// A dashboard: the last six hours by minutes.
struct Dashboard {
  RangeQuery query(int64_t end_minute, int64_t minutes = 360) {
    return {"t",
            "sum by (app) (count_over_time({app=~\".+\"}[5m]))",
            kStart + (end_minute - minutes) * kMinute,
            kStart + end_minute * kMinute,
            std::chrono::minutes(1),
            {}};
  }
  QueryResult ask(RangeQuery asked) {
    QueryEngine engine = data.engine(limits, options);
    engine.use_results(cache);
    auto result = engine.range(asked, kNotCancelled);
    REQUIRE(result.has_value());
    asked.anew = true;
    auto anew = engine.range(asked, kNotCancelled);
    REQUIRE(anew.has_value());
    check_same(std::get<ResultMatrix>(result->data).matrix, std::get<ResultMatrix>(anew->data).matrix);
    read_anew = anew->stats.store_lines + anew->stats.head_lines;
    return *std::move(result);
  }
  TenantLimits limits;
  QueryEngineOptions options;
  pipeline::Registry registry;
  ResultCache cache{1 << 20, nullptr, registry};
  QueryFixture data;
  uint64_t read_anew = 0;
};

std::vector<PlainEntry> minutes(int64_t first, int64_t last) {
  std::vector<PlainEntry> out;
  for (int64_t minute = first; minute < last; ++minute) out.push_back(entry(minute * 60 + 1, minute % 3 ? "a" : "b"));
  return out;
}

}  // namespace

TEST_SUITE("server/query") {
  TEST_CASE("result pieces: two ranges that overlap are cut at the same times") {
    const auto first = cut(kStart + 3 * kMinute, kMinute, 100), second = cut(kStart + 10 * kMinute, kMinute, 100);
    REQUIRE(first.size() == 4);
    REQUIRE(second.size() == 4);
    CHECK(first[0].own.start == kStart + 3 * kMinute);
    CHECK(first[0].end == 29);
    CHECK(first[0].skipped == 3);
    CHECK(first[0].whole->start == kStart);
    CHECK(first[0].whole->count == 32);
    for (size_t i : {1, 2}) {
      CHECK(first[i].own == second[i].own);
      CHECK(first[i].own.count == 32);
      CHECK_FALSE(first[i].whole.has_value());
    }
    CHECK(first[3].whole == second[3].whole);
    CHECK(first[3].own.start == second[3].own.start);
    CHECK(first[3].end == 100);
  }

  TEST_CASE("result pieces: short ranges, long steps and the ends of time are left in one piece") {
    CHECK(cut(kStart, kMinute, 1).size() == 1);
    CHECK(cut(kStart + kMinute, kMinute, 40).size() == 1);  // cut once, nothing whole
    CHECK(cut(kStart, kSecond, 900).size() == 1);
    CHECK(cut(kStart, kSecond, 1800).size() == 2);
    CHECK(cut(INT64_MIN, kMinute, 11'000).size() == 1);
    CHECK(cut(INT64_MAX - 100 * kMinute, kMinute, 100).size() == 1);
    CHECK(cut(0, INT64_MAX / 2, 2).size() == 1);
    CHECK(cut(-100 * kMinute, kMinute, 200).size() > 5);
  }

  TEST_CASE("result pieces: together they are the question, whatever it is") {
    const uint64_t seed = random_seed();
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    for (int i = 0; i < 2000; ++i) {
      const StepGrid grid{static_cast<UnixNanos>(random() >> 12) - (INT64_C(1) << 51),
                          1 + static_cast<int64_t>(random() % 100), 1 + static_cast<uint32_t>(random() % 500)};
      const ResultCut how{static_cast<int64_t>(random() % 500), 1 + static_cast<uint32_t>(random() % 20)};
      uint32_t next = 0;
      for (const ResultPiece& piece : cut_result(grid, how)) {
        REQUIRE(piece.begin == next);
        REQUIRE(piece.end > piece.begin);
        REQUIRE(piece.own == StepGrid{grid.at(piece.begin), grid.step_ns, piece.end - piece.begin});
        if (piece.whole) {
          REQUIRE(piece.whole->at(piece.skipped) == piece.own.start);
          REQUIRE(piece.skipped + piece.own.count <= piece.whole->count);
        }
        next = piece.end;
      }
      REQUIRE(next == grid.count);
    }
  }

  TEST_CASE("query: a dashboard that moves on reads what is new and little else") {
    Dashboard board;
    board.data.add_object(minutes(-10, 1000));
    const QueryResult first = board.ask(board.query(700));
    CHECK(first.stats.results_found == 0);
    CHECK(first.stats.store_lines >= 360);
    const QueryResult same = board.ask(board.query(700));
    CHECK(same.stats.results_found == same.stats.results_asked);
    CHECK(same.stats.store_lines == 0);
    uint64_t read = 0;
    for (int64_t end = 701; end < 800; ++end) read += board.ask(board.query(end)).stats.store_lines;
    CHECK(read < 99 * 100);                                            // of 360 and more each time
    CHECK(board.ask(board.query(760, 200)).stats.results_found >= 5);  // a shorter one has its share of the same
  }

  TEST_CASE("query: what comes late is in the next answer, and only its piece is read again") {
    Dashboard board;
    board.data.add_object(minutes(-10, 1000));
    (void)board.ask(board.query(700));
    board.data.add_head({entry(500 * 60)});
    const QueryResult late = board.ask(board.query(700));
    CHECK(late.stats.results_found >= late.stats.results_asked - 2);
    CHECK(late.stats.store_lines < board.read_anew / 2);
    board.data.add_object({entry(600 * 60)});
    CHECK(board.ask(board.query(700)).stats.results_found >= late.stats.results_asked - 4);
  }

  TEST_CASE("query: answers fresher than max_cache_freshness_per_query are neither kept nor taken from the cache") {
    Dashboard board;
    board.data.add_object(minutes(-10, 1000));
    RangeQuery now = board.query(700);
    now.asked_at = now.end;
    const QueryResult first = board.ask(now), second = board.ask(now);
    CHECK(first.stats.results_kept > 5);
    CHECK(second.stats.results_found == first.stats.results_kept);
    CHECK(second.stats.store_lines > 0);  // the last minutes
    board.limits.max_cache_freshness_per_query = std::chrono::hours(24);
    CHECK(board.ask(now).stats.results_asked == 0);
    board.limits.max_cache_freshness_per_query = std::chrono::hours(0);
    (void)board.ask(now);
    CHECK(board.ask(now).stats.store_lines == 0);
    // Instant queries likewise.
    QueryEngine engine = board.data.engine();
    engine.use_results(board.cache);
    InstantQuery instant{"t", now.query, now.end};
    for (auto [asked_at, found] : {std::pair{now.end + 11 * kMinute, 1U}, {now.end + 9 * kMinute, 0U}}) {
      instant.asked_at = asked_at;
      REQUIRE(engine.instant(instant, kNotCancelled).has_value());
      CHECK(engine.instant(instant, kNotCancelled)->stats.results_found == found);
    }
  }

  TEST_CASE("query: an answer that is put together counts against the memory of the query") {
    Dashboard board;
    std::vector<PlainEntry> many;
    for (int64_t minute = 0; minute < 700; ++minute)
      for (int app = 0; app < 20; ++app)
        many.push_back(
            {"t", LabelSet::from({{"app", "app-" + std::to_string(app)}}), kStart + minute * kMinute, "x", ""});
    board.data.add_object(many);
    (void)board.ask(board.query(700, 600));
    board.limits.max_query_series = 0;
    board.options.memory_limit = 100'000;
    QueryEngine engine = board.data.engine(board.limits, board.options);
    engine.use_results(board.cache);
    const auto refused = engine.range(board.query(700, 600), kNotCancelled);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message.find("the answer would hold") != std::string::npos);
  }

  TEST_CASE("query: random metric queries over ranges that move agree with the naive interpreter") {
    const uint64_t seed = random_seed();
    INFO("seed ", seed);
    RandomMetric random(seed);
    int compared = 0;
    uint64_t found = 0;
    pipeline::Registry registry;
    for (int round = 0; round < random_rounds(20); ++round) {
      auto entries = random.entries(120, kStart, 300 * kMilli);
      std::vector<PlainEntry> stored;
      for (const NaiveEntry& one : entries) {
        std::string metadata;
        append_metadata(metadata, std::vector<MetadataPair>(one.metadata.begin(), one.metadata.end()));
        stored.push_back({"t", one.stream, one.time, one.line, metadata});
      }
      QueryFixture data;
      const size_t half = stored.size() / 2;
      data.add_object({stored.begin(), stored.begin() + static_cast<std::ptrdiff_t>(half)});
      data.add_head({stored.begin() + static_cast<std::ptrdiff_t>(half), stored.end()});
      ResultCache cache(1 << 20, nullptr, registry);
      QueryEngineOptions options;
      options.result_cut = {0, static_cast<uint32_t>(2 + random.pick(6))};
      QueryEngine engine = data.engine({}, options);
      engine.use_results(cache);
      for (int i = 0; i < 15; ++i) {
        const std::string query = random.query(6);
        INFO(query);
        StepGrid grid{kStart + random.pick(20) * kMilli, (1 + random.pick(10)) * kMilli,
                      static_cast<uint32_t>(5 + random.pick(30))};
        for (int move = 0; move < 4; ++move) {
          const auto slow = naive_metric(*parse_query(query), entries, grid);
          RangeQuery asked{"t", query, grid.start, grid.at(grid.count - 1), std::chrono::nanoseconds(grid.step_ns), {}};
          const auto fast = engine.range(asked, kNotCancelled);
          if (!slow) break;
          REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
          Matrix sorted = *slow;
          sorted.sort();
          check_same(std::get<ResultMatrix>(fast->data).matrix, sorted);
          ++compared;
          found += fast->stats.results_found;
          grid.start += random.pick(5) * grid.step_ns;
          grid.count = static_cast<uint32_t>(5 + random.pick(30));
        }
      }
    }
    CHECK(compared > 400);
    CHECK(found > 400);
  }
}
