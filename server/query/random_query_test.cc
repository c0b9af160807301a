// Random queries over entries that are spread, some of them several times, over objects and the head: what the engine
// answers, alone and with several threads, against an obvious interpreter over the plain list of entries.
#include <algorithm>
#include <condition_variable>
#include <doctest/doctest.h>
#include <map>
#include <mutex>
#include <random>

#include "server/logql/parser.h"
#include "server/logql/testing/naive_query.h"
#include "server/logql/testing/random_run.h"
#include "server/query/query_scheduler.h"
#include "server/query/testing/query_fixture.h"
#include "server/query/testing/random_log.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kStart = kLogStart;
constexpr int64_t kSecond = kLogSecond;

// Random entries in random places, some in several.
void fill(QueryFixture& data, RandomLog& random) {
  std::vector<std::vector<PlainEntry>> places(1 + random.pick(7));
  bool coarse = random.pick(2) == 0;  // many equal times
  for (size_t i = 50 + random.pick(400); i > 0; --i) {
    PlainEntry entry = random.entry(coarse);
    places[random.pick(places.size())].push_back(entry);
    if (random.pick(6) == 0) places[random.pick(places.size())].push_back(std::move(entry));
  }
  for (const auto& place : places) {
    if (place.empty()) continue;
    random.pick(3) == 0 ? data.add_head(place) : data.add_object(place);
  }
}

std::vector<NaiveEntry> naive_entries(const QueryFixture& data, const Selector& selector) {
  std::vector<pipeline::Matcher> matchers = compile_selector(selector);
  std::vector<NaiveEntry> out;
  for (const PlainEntry& entry : data.distinct()) {
    if (!pipeline::matches_all(matchers, entry.labels)) continue;
    NaiveEntry naive{entry.labels, entry.time, entry.line, {}};
    for (auto [name, value] : MetadataView(entry.metadata)) naive.metadata.emplace_back(name, value);
    out.push_back(std::move(naive));
  }
  return out;
}

// Runs `query` with the turn of a scheduler.
pipeline::Result<QueryResult> run_scheduled(QueryScheduler& scheduler, QueryEngine& engine, const RangeQuery& query) {
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<pipeline::Result<QueryResult>> result;
  auto taken = scheduler.submit("t", std::make_shared<std::atomic<bool>>(false), [&](QueryTurn& turn) {
    auto answer = engine.range(query, turn);
    std::lock_guard lock(mutex);
    result.emplace(std::move(answer));
    ended.notify_one();
  });
  REQUIRE(taken.has_value());
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return result.has_value(); });
  return *std::move(result);
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: a thousand random log queries are answered as an obvious interpreter answers them") {
    const uint64_t seed = random_seed();
    CAPTURE(seed);
    RandomLog random(seed);
    QueryScheduler scheduler({.slots = 3});
    for (int round = 0; round < random_rounds(60); ++round) {
      QueryFixture data;
      fill(data, random);
      QueryEngine engine = data.engine({.max_entries_limit_per_query = 0});
      for (int i = 0; i < 20; ++i) {
        std::string text = random.selector() + random.stages();
        CAPTURE(text);
        auto expr = parse_query(text);
        REQUIRE(expr.has_value());
        const LogExpr& log = *expr->log();
        UnixNanos start = kStart + static_cast<int64_t>(random.pick(500)) * kSecond;
        RangeQuery query{"t", text, start, start + static_cast<int64_t>(1 + random.pick(700)) * kSecond, 60s, {}};
        query.log.direction = random.pick(2) ? Direction::kBackward : Direction::kForward;
        query.log.limit = static_cast<uint32_t>(random.pick(3) ? 1 + random.pick(100) : 5000);
        ShownEntries all;
        for (const NaiveResult& kept : naive_log(log, naive_entries(data, log.selector), query.start, query.end))
          all.emplace(kept.time, shown_entry(kept.all(), kept.line));
        auto result =
            random.pick(2) ? run_scheduled(scheduler, engine, query) : engine.range(query, std::atomic<bool>{false});
        REQUIRE_MESSAGE(result.has_value(), result.error().message);
        CHECK(result->warnings.empty());
        CHECK(result->stats.entries_returned == std::min<size_t>(all.size(), query.log.limit));
        check_entries(std::get<ResultStreams>(result->data), all, query);
      }
    }
  }

  TEST_CASE("query: with several threads a query over many pages gives what it gives with one") {
    const uint64_t seed = random_seed();
    CAPTURE(seed);
    RandomLog random(seed);
    QueryFixture data;
    for (int object = 0; object < 3; ++object) {
      std::vector<PlainEntry> entries;
      for (int i = 0; i < 9000; ++i) {
        PlainEntry entry = random.entry(false);
        entry.line += std::string(random.pick(1500), static_cast<char>('A' + random.pick(26)));
        entries.push_back(std::move(entry));
      }
      data.add_object(entries);
    }
    QueryEngine engine = data.engine();
    QueryScheduler scheduler({.slots = 3});
    for (const char* text : {R"({app=~".+"} |= "error")", R"({app="a"} | logfmt | num > 9)",
                             R"({app=~".+"} | json | num="7")", R"({app=~"a|b"} != "info" |~ "GET .* 404")"}) {
      CAPTURE(text);
      RangeQuery query{"t", text, kStart, kStart + 1000 * kSecond, 60s, {Direction::kForward, 4000, 0s, false}};
      auto alone = engine.range(query, std::atomic<bool>{false});
      auto together = run_scheduled(scheduler, engine, query);
      REQUIRE((alone.has_value() && together.has_value()));
      const auto &one = std::get<ResultStreams>(alone->data), &several = std::get<ResultStreams>(together->data);
      REQUIRE(one.size() == several.size());
      for (size_t i = 0; i < one.size(); ++i) {
        CHECK(one[i].labels == several[i].labels);
        REQUIRE(one[i].entries.size() == several[i].entries.size());
        for (size_t j = 0; j < one[i].entries.size(); ++j) CHECK(one[i].entries[j].line == several[i].entries[j].line);
      }
    }
    for (const char* text : {R"(sum by (app) (count_over_time({app=~".+"} |= "error" [100s])))",
                             R"(sum by (pod, level) (rate({app="a"} | logfmt | __error__="" [2m])))",
                             R"(sum by (level) (count_over_time({app=~".+"} | json | num="7" [2m])))",
                             R"(sum(bytes_over_time({app=~".+"}[1m])))"}) {
      CAPTURE(text);
      RangeQuery query{"t", text, kStart, kStart + 1000 * kSecond, 60s, {}};
      auto alone = engine.range(query, std::atomic<bool>{false});
      auto together = run_scheduled(scheduler, engine, query);
      REQUIRE((alone.has_value() && together.has_value()));
      const Matrix &one = std::get<ResultMatrix>(alone->data).matrix,
                   &several = std::get<ResultMatrix>(together->data).matrix;
      REQUIRE(one.series.size() == several.series.size());
      for (size_t i = 0; i < one.series.size(); ++i) {
        CHECK(one.series[i].labels == several.series[i].labels);
        REQUIRE(one.series[i].points.size() == several.series[i].points.size());
        for (size_t j = 0; j < one.series[i].points.size(); ++j)
          CHECK(one.series[i].points[j].value == several.series[i].points[j].value);
      }
      CHECK(alone->stats.store_lines == together->stats.store_lines);
      CHECK(alone->stats.decompressed_bytes == together->stats.decompressed_bytes);
    }
  }
}
