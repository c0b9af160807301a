// Random requests to delete, some of them applied to some of the objects already, and random retention: what queries
// answer against an obvious interpreter over the entries that still exist.
#include <algorithm>
#include <doctest/doctest.h>
#include <random>

#include "server/logql/parser.h"
#include "server/logql/testing/matrix_check.h"
#include "server/logql/testing/naive_query.h"
#include "server/query/testing/query_fixture.h"
#include "server/query/testing/random_log.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kNow = kLogStart + 1000 * kLogSecond;
const std::atomic<bool> kNotCancelled{false};

// Entries that lie in one object, or in the head.
struct Place {
  std::vector<PlainEntry> entries;
  uint64_t deletes_applied = 0;  // UINT64_MAX: the head
};

// What is to exist no more, and how the obvious way finds out.
struct Gone {
  std::vector<DeleteRequest> requests;
  std::chrono::seconds period{0}, period_of_b{0};  // 0: for ever
};

NaiveEntry naive(const PlainEntry& entry) {
  NaiveEntry out{entry.labels, entry.time, entry.line, {}};
  for (auto [name, value] : MetadataView(entry.metadata)) out.metadata.emplace_back(name, value);
  return out;
}

bool is_gone(const PlainEntry& entry, uint64_t deletes_applied, const Gone& gone) {
  const auto period = *entry.labels.get("app") == "b" ? gone.period_of_b : gone.period;
  if (period.count() > 0 && entry.time < kNow - period.count() * kLogSecond) return true;
  return std::any_of(gone.requests.begin(), gone.requests.end(), [&](const DeleteRequest& request) {
    if (request.number <= deletes_applied || entry.time < request.begin || entry.time >= request.end) return false;
    const auto expr = parse_query(request.query);
    const LogExpr& log = *expr->log();
    return pipeline::matches_all(compile_selector(log.selector), entry.labels) &&
           naive_stages(log.stages, naive(entry)).has_value();
  });
}

// Every entry that exists in some place, once; as the obvious interpreter takes them.
std::vector<NaiveEntry> existing(const std::vector<Place>& places, const Gone& gone) {
  std::vector<PlainEntry> left;
  for (const Place& place : places) {
    std::copy_if(place.entries.begin(), place.entries.end(), std::back_inserter(left),
                 [&](const PlainEntry& entry) { return !is_gone(entry, place.deletes_applied, gone); });
  }
  std::sort(left.begin(), left.end());
  left.erase(std::unique(left.begin(), left.end()), left.end());
  std::vector<NaiveEntry> out;
  for (const PlainEntry& entry : left) out.push_back(naive(entry));
  return out;
}

Gone random_gone(RandomLog& random) {
  Gone gone;
  const size_t requests = random.pick(7);
  for (uint64_t number = 1; number <= requests; ++number) {
    DeleteRequest request{.number = number, .id = std::to_string(number), .tenant = "t"};
    request.query = random.selector() + random.stages();
    request.begin = kLogStart + static_cast<int64_t>(random.pick(1000)) * kLogSecond;
    request.end = request.begin + static_cast<int64_t>(1 + random.pick(500)) * kLogSecond;
    gone.requests.push_back(std::move(request));
  }
  if (random.pick(3) == 0) gone.period = std::chrono::seconds(1 + random.pick(1100));
  gone.period_of_b = random.pick(3) == 0 ? std::chrono::seconds(1 + random.pick(1100)) : gone.period;
  return gone;
}

std::shared_ptr<const TenantErasures> compiled(const Gone& gone) {
  RetentionSource rules;
  if (gone.period.count() > 0 || gone.period_of_b.count() > 0) {
    RetentionSettings settings{gone.period, {}};
    if (gone.period_of_b != gone.period) settings.streams.push_back({R"({app="b"})", 1, gone.period_of_b});
    auto made = RetentionRules::compile(settings);
    REQUIRE_MESSAGE(made, made.error().message);
    rules = [shared = std::make_shared<const RetentionRules>(*std::move(made))](std::string_view) { return shared; };
  }
  return Erasures(gone.requests, UINT64_MAX, rules, kNow).of("t");
}

// Some entries in several places; of the places some know some of the requests.
std::vector<Place> spread(RandomLog& random, size_t requests, QueryFixture& data) {
  std::vector<Place> places(1 + random.pick(6));
  const bool coarse = random.pick(2) == 0;
  for (size_t i = 50 + random.pick(300); i > 0; --i) {
    PlainEntry entry = random.entry(coarse);
    places[random.pick(places.size())].entries.push_back(entry);
    if (random.pick(5) == 0) places[random.pick(places.size())].entries.push_back(std::move(entry));
  }
  for (Place& place : places) {
    if (place.entries.empty()) continue;
    if (random.pick(4) == 0) {
      place.deletes_applied = UINT64_MAX;
      data.add_head(place.entries);
      continue;
    }
    place.deletes_applied = random.pick(2) ? 0 : random.pick(requests + 1);
    ObjectWriterOptions options;
    options.with_filter = random.pick(2) == 0;
    options.deletes_applied = place.deletes_applied;
    data.add_object(place.entries, options);
  }
  return places;
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE(
      "query: of a stream in memory that is kept shorter than others nothing is found before its time, nor after the "
      "query's") {
    QueryFixture data;
    std::vector<PlainEntry> entries;
    for (int i = 0; i < 10; ++i) {
      for (const char* app : {"a", "b"})
        entries.push_back({"t", LabelSet::from({{"app", app}}), kLogStart + i * 100 * kLogSecond, app, {}});
    }
    data.add_head(entries);
    Gone gone;
    gone.period_of_b = 450s;
    data.erase(compiled(gone));
    QueryEngine engine = data.engine();
    const RangeQuery query{"t", R"({app=~".+"})", kLogStart + 150 * kLogSecond, kLogStart + 350 * kLogSecond, 60s, {}};
    auto result = engine.range(query, kNotCancelled);
    REQUIRE(result);
    const auto& streams = std::get<ResultStreams>(result->data);
    REQUIRE(streams.size() == 1);
    CHECK(*streams[0].labels.get("app") == "a");
    CHECK(streams[0].entries.size() == 2);
  }

  TEST_CASE("query: nothing that was deleted is in any answer, and all else is, of thousands of random requests") {
    const uint64_t seed = std::random_device()();
    INFO("seed ", seed);
    RandomLog random(seed);
    size_t requests = 0, hidden = 0, compared = 0;
    for (int round = 0; round < 120; ++round) {
      const Gone gone = random_gone(random);
      requests += gone.requests.size();
      QueryFixture data;
      const auto places = spread(random, gone.requests.size(), data);
      data.erase(compiled(gone));
      QueryEngine engine = data.engine({.max_entries_limit_per_query = 0});
      const auto entries = existing(places, gone);
      hidden += data.distinct().size() - entries.size();
      for (int i = 0; i < 15; ++i) {
        const std::string text = random.selector() + random.stages();
        INFO(text);
        auto expr = parse_query(text);
        REQUIRE(expr.has_value());
        const UnixNanos start = kLogStart + static_cast<int64_t>(random.pick(500)) * kLogSecond;
        RangeQuery query{"t", text, start, start + static_cast<int64_t>(1 + random.pick(700)) * kLogSecond, 60s, {}};
        query.log.direction = random.pick(2) ? Direction::kBackward : Direction::kForward;
        query.log.limit = static_cast<uint32_t>(random.pick(3) ? 1 + random.pick(100) : 5000);
        std::vector<NaiveEntry> selected;
        const auto matchers = compile_selector(expr->log()->selector);
        std::copy_if(entries.begin(), entries.end(), std::back_inserter(selected),
                     [&](const NaiveEntry& entry) { return pipeline::matches_all(matchers, entry.stream); });
        ShownEntries all;
        for (const NaiveResult& kept : naive_log(*expr->log(), selected, query.start, query.end))
          all.emplace(kept.time, shown_entry(kept.all(), kept.line));
        auto result = engine.range(query, kNotCancelled);
        REQUIRE_MESSAGE(result.has_value(), result.error().message);
        CHECK(result->warnings.empty());
        check_entries(std::get<ResultStreams>(result->data), all, query);

        const std::string counting = pipeline::concat("sum by (app) (count_over_time(", text, "[", 1 + random.pick(900),
                                                      random.pick(2) ? "s" : "ms", "]))");
        INFO(counting);
        const StepGrid grid{start, static_cast<int64_t>(1 + random.pick(100)) * kLogSecond,
                            static_cast<uint32_t>(1 + random.pick(8))};
        auto slow = naive_metric(*parse_query(counting), entries, grid);
        if (!slow) continue;  // an error of what need not be parsed
        const auto fast = engine.range(
            {"t", counting, grid.start, grid.at(grid.count - 1), std::chrono::nanoseconds(grid.step_ns), {}},
            kNotCancelled);
        REQUIRE_MESSAGE(fast.has_value(), fast.error().message);
        slow->sort();
        check_same(std::get<ResultMatrix>(fast->data).matrix, *slow);
        ++compared;
      }
    }
    CHECK(requests > 200);
    CHECK(hidden > 1000);
    CHECK(compared > 500);
  }
}
