#include "server/query/query_engine.h"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <random>

#include "server/query/testing/query_fixture.h"

using namespace server;
using namespace std::chrono_literals;
using pipeline::Errc;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr UnixNanos kStart = 1'700'000'000'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;
const std::atomic<bool> kNotCancelled{false};

PlainEntry entry(const char* app, int64_t second, std::string line, std::string trace = "") {
  std::string metadata;
  if (!trace.empty()) {
    MetadataPair pair{"trace", trace};
    append_metadata(metadata, {&pair, 1});
  }
  return {"t", LabelSet::from({{"app", app}}), kStart + second * kSecond, std::move(line), std::move(metadata)};
}

RangeQuery log_query(std::string text, Direction direction = Direction::kBackward, uint32_t limit = 100) {
  return {"t", std::move(text), kStart, kStart + 1000 * kSecond, 60s, {direction, limit, 0s, false}};
}

// "line@second", in the order of time over all streams.
std::vector<std::string> lines(const QueryResult& result, Direction direction = Direction::kBackward) {
  std::vector<std::pair<UnixNanos, std::string>> all;
  for (const ResultStream& stream : std::get<ResultStreams>(result.data)) {
    for (const ResultEntry& e : stream.entries) all.emplace_back(e.time, e.line);
  }
  std::stable_sort(all.begin(), all.end(), [&](const auto& a, const auto& b) {
    return direction == Direction::kBackward ? a.first > b.first : a.first < b.first;
  });
  std::vector<std::string> out;
  for (const auto& [time, line] : all) out.push_back(pipeline::concat(line, "@", (time - kStart) / kSecond));
  return out;
}

std::vector<std::string> ask(QueryFixture& data, RangeQuery query) {
  auto result = data.engine().range(query, kNotCancelled);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  return lines(*result, query.log.direction);
}

double instant(QueryFixture& data, std::string text, int64_t second = 1000) {
  auto result = data.engine().instant({"t", std::move(text), kStart + second * kSecond}, kNotCancelled);
  REQUIRE_MESSAGE(result.has_value(), result.error().message);
  const auto& samples = std::get<ResultVector>(result->data);
  return samples.empty() ? 0 : samples.at(0).value;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: newest first over objects and head, up to the limit, in both directions") {
    QueryFixture data;
    data.add_object({entry("a", 1, "one"), entry("a", 5, "five"), entry("b", 3, "three")});
    data.add_object({entry("a", 2, "two"), entry("a", 9, "nine")});
    data.add_head({entry("b", 7, "seven"), entry("b", 4, "four")});
    CHECK(ask(data, log_query(R"({app=~".+"})")) ==
          Lines{"nine@9", "seven@7", "five@5", "four@4", "three@3", "two@2", "one@1"});
    CHECK(ask(data, log_query(R"({app=~".+"})", Direction::kBackward, 3)) == Lines{"nine@9", "seven@7", "five@5"});
    CHECK(ask(data, log_query(R"({app=~".+"})", Direction::kForward, 3)) == Lines{"one@1", "two@2", "three@3"});
    CHECK(ask(data, log_query(R"({app="b"} |= "e")")) == Lines{"seven@7", "three@3"});
    CHECK(ask(data, log_query(R"({app="c"})")).empty());
  }

  TEST_CASE("query: the start of the range is in, the end is not") {
    QueryFixture data;
    data.add_object({entry("a", 0, "start"), entry("a", 1000, "end"), entry("a", 999, "last")});
    CHECK(ask(data, log_query(R"({app="a"})")) == Lines{"last@999", "start@0"});
  }

  TEST_CASE(
      "query: an entry stored several times is shown and counted once, another line or metadata at its time stays") {
    QueryFixture data;
    data.add_object({entry("a", 1, "same"), entry("a", 1, "other"), entry("a", 2, "x")});
    data.add_object({entry("a", 1, "same"), entry("a", 1, "same", "t1")});
    data.add_head({entry("a", 1, "same"), entry("a", 2, "x"), entry("a", 2, "x")});
    CHECK(ask(data, log_query(R"({app="a"})")).size() == 4);
    CHECK(instant(data, R"(sum(count_over_time({app="a"}[1000s])))") == 4);
    CHECK(instant(data, R"(sum(count_over_time({app="a"} |= "same" [1000s])))") == 2);
    CHECK(instant(data, R"(sum(bytes_over_time({app="a"}[1000s])))") == 4 + 5 + 4 + 1);
  }

  TEST_CASE("query: a corrupt page costs its entries and says so, the others are answered") {
    QueryFixture data;
    std::vector<PlainEntry> many;
    for (int i = 0; i < 3000; ++i)
      many.push_back(entry("a", 1, pipeline::concat("line ", i, " ", std::string(200, 'x'))));
    for (size_t i = 0; i < many.size(); ++i) many[i].time += static_cast<int64_t>(i);
    data.add_object(many);
    std::string key = data.objects()[0].key, bytes;
    REQUIRE(data.store().get_range(key, 0, *data.store().size(key), bytes));
    bytes[bytes.size() / 3] ^= 0x55;  // in the pages: they come before the directory
    REQUIRE(data.store().remove(key));
    REQUIRE(data.store().put(key, bytes));
    auto result = data.engine().range(log_query(R"({app="a"})", Direction::kBackward, 5000), kNotCancelled);
    REQUIRE(result.has_value());
    REQUIRE_FALSE(result->warnings.empty());
    CHECK(result->warnings[0].find("could not be read") != std::string::npos);
    size_t got = lines(*result).size();
    CHECK((got > 0 && got < 3000));
    auto counted = data.engine().instant(
        {"t", R"(sum(count_over_time({app="a"} |= "line" [1000s])))", kStart + 900 * kSecond}, kNotCancelled);
    REQUIRE(counted.has_value());
    CHECK_FALSE(counted->warnings.empty());
  }

  TEST_CASE("query: an object that cannot be opened is a warning, not a silent hole") {
    QueryFixture data;
    data.add_object({entry("a", 1, "lost")});
    data.add_object({entry("a", 2, "kept")});
    REQUIRE(data.store().remove(data.objects()[0].key));
    auto result = data.engine().range(log_query(R"({app="a"})"), kNotCancelled);
    REQUIRE(result.has_value());
    CHECK(lines(*result) == Lines{"kept@2"});
    CHECK(result->warnings.size() == 1);
  }

  TEST_CASE("query: a limit stops the reading, and the numbers in stats are what was done") {
    QueryFixture data;
    for (int object = 0; object < 5; ++object) {
      std::vector<PlainEntry> entries;
      for (int i = 0; i < 100; ++i) entries.push_back(entry("a", object * 100 + i, std::string(10'000, 'x')));
      data.add_object(entries);
    }
    auto few = data.engine().range(log_query(R"({app="a"})", Direction::kBackward, 5), kNotCancelled);
    auto all = data.engine().range(log_query(R"({app="a"})", Direction::kBackward, 5000), kNotCancelled);
    REQUIRE((few.has_value() && all.has_value()));
    CHECK(few->stats.entries_returned == 5);
    CHECK(all->stats.entries_returned == 500);
    CHECK(all->stats.store_lines == 500);
    CHECK(all->stats.objects_opened == 5);
    CHECK(few->stats.decompressed_bytes < all->stats.decompressed_bytes / 5);
    CHECK(few->stats.pages_skipped_by_limit > 0);
  }

  TEST_CASE("query: an object deleted while it is read is read again from its successor") {
    QueryFixture data;
    data.add_object({entry("a", 1, "one")});
    data.add_object({entry("a", 1, "one")});  // what compaction made of it
    QueryEngine engine = data.engine();
    REQUIRE(engine.range(log_query(R"({app="a"})"), kNotCancelled).has_value());  // directories are in the cache now
    REQUIRE(data.store().remove(data.objects()[0].key));
    for (const char* text : {R"({app="a"})", R"(count_over_time({app="a"} |= "one" [1000s]))"}) {
      auto result = engine.range(log_query(text), kNotCancelled);
      REQUIRE(result.has_value());
      CHECK(result->partial);  // the fresh view has it too, so that it is said in the end
      CHECK(result->warnings.size() == 1);
    }
  }

  TEST_CASE("query: a plan tells what directories promised and what was read, for each range aggregation") {
    QueryFixture data;
    data.add_object({entry("a", 1, "one"), entry("a", 2, "two"), entry("b", 3, "three")});
    data.add_head({entry("a", 5, "five")});
    RangeQuery query = log_query(R"({app="a"} |= "o" | drop app)");
    CHECK_FALSE(data.engine().range(query, kNotCancelled)->plan.has_value());
    query.explain = true;
    auto log = data.engine().range(query, kNotCancelled);
    REQUIRE((log.has_value() && log->plan.has_value()));
    REQUIRE(log->plan->steps.size() == 1);
    const PlanStep& step = log->plan->steps[0];
    CHECK(step.reads == "entries");
    CHECK(step.leading_filters == R"(|= "o")");
    CHECK(step.columns == std::vector<std::string>{"times", "lengths", "text", "metadata"});
    CHECK((step.estimated.objects == 1 && step.estimated.pages == 1 && step.estimated.entries == 2));
    CHECK((step.estimated.head_entries == 1 && step.estimated.head_line_bytes == 4));
    CHECK((step.actual.store_lines == 2 && step.actual.head_lines == 1 && step.actual.lines_after_filters == 2));
    auto metric = data.engine().instant(
        {"t", R"(sum(count_over_time({app="a"}[1000s])) / sum(bytes_over_time({app="b"} |= "t" [1000s])))",
         kStart + 999 * kSecond, false, true},
        kNotCancelled);
    REQUIRE((metric.has_value() && metric->plan.has_value()));
    REQUIRE(metric->plan->steps.size() == 2);
    CHECK(metric->plan->steps[0].reads == "count_over_time");
    CHECK(metric->plan->steps[0].columns == std::vector<std::string>{"times"});
    CHECK(metric->plan->steps[1].reads == "bytes_over_time");
    CHECK(metric->plan->steps[1].estimated.entries == 1);
    CHECK(metric->plan->steps[1].actual.store_lines == 1);
  }

  TEST_CASE("query: a count without a line filter reads no line bytes") {
    QueryFixture data;
    std::vector<PlainEntry> entries;
    for (int i = 0; i < 900; ++i) entries.push_back(entry("a", i, std::string(1000, 'x')));
    data.add_object(entries);
    auto result = data.engine().instant({"t", R"(sum(count_over_time({app="a"}[1000s])))", kStart + 999 * kSecond},
                                        kNotCancelled);
    REQUIRE(result.has_value());
    CHECK(std::get<ResultVector>(result->data).at(0).value == 900);
    CHECK(result->stats.store_line_bytes == 0);
    CHECK(result->stats.decompressed_bytes < 20'000);
  }

  TEST_CASE(
      "query: a page without the text that a label filter implies is not taken apart, and one with it only there") {
    QueryFixture data;
    std::vector<PlainEntry> plain, failing;
    for (int i = 0; i < 500; ++i) {
      const std::string line = pipeline::concat(R"({"status":)", i == 7 ? "500" : "200", R"(,"took":)", i % 50, "}");
      failing.push_back(entry("a", i, line, "t1"));
      plain.push_back(entry("b", i, i == 7 ? R"({"status":200})" : line, "t1"));
    }
    data.add_object(plain, {.with_filter = false});
    auto count = [&](std::string labels) {
      std::string text =
          pipeline::concat(R"(sum by ()", labels, R"() (count_over_time({app=~"a|b"} | json | status="500" [1000s])))");
      auto result = data.engine().instant({"t", text, kStart + 999 * kSecond}, kNotCancelled);
      REQUIRE(result.has_value());
      return *std::move(result);
    };
    const QueryResult none = count("app");
    CHECK(std::get<ResultVector>(none.data).empty());
    CHECK(none.stats.pages_without_match == 1);
    CHECK(none.stats.pages_read == 1);
    CHECK(none.stats.store_lines == 500);
    data.add_object(failing);
    const QueryResult one = count("app");
    REQUIRE(std::get<ResultVector>(one.data).size() == 1);
    CHECK(std::get<ResultVector>(one.data)[0].value == 1);
    CHECK(one.stats.pages_without_match == 1);
    CHECK(one.stats.pages_read == 4);  // no metadata: none of their names matters
    const QueryResult by_trace = count("trace");
    CHECK(std::get<ResultVector>(by_trace.data).at(0).labels == LabelSet::from({{"trace", "t1"}}));
    CHECK(by_trace.stats.pages_read == 5);
    auto lines_of = data.engine().range(log_query(R"({app=~"a|b"} | json | status="500")"), kNotCancelled);
    REQUIRE(lines_of.has_value());
    CHECK(lines(*lines_of) == Lines{R"({"status":500,"took":7}@7)"});
    CHECK(lines_of->stats.pages_without_match == 1);
    CHECK(lines_of->stats.pages_read == 5);
    CHECK(lines_of->stats.lines_after_filters == 1);
  }

  TEST_CASE("query: of several streams at one time the first ones are those that Loki puts first") {
    CHECK(loki_stream_order(*LabelSet::parse(R"({grp="svcname", job="by-job", service_name="by-job"})")) ==
          2308068042852580238u);
    CHECK(loki_stream_order(LabelSet()) == 0xEF46DB3751D8E999u);
    QueryFixture data;
    data.add_object({entry("a", 1, "of a"), entry("b", 1, "of b"), entry("c", 1, "of c")});
    RangeQuery query = log_query(R"({app=~".+"})");
    query.log.limit = 1;
    auto order = [](const char* app) { return loki_stream_order(LabelSet::from({{"app", app}})); };
    const char* first = order("a") < order("b") ? "a" : "b";
    if (order("c") < order(first)) first = "c";
    CHECK(ask(data, query) == Lines{pipeline::concat("of ", first, "@1")});
    query.log.direction = Direction::kForward;
    CHECK(ask(data, query) == Lines{pipeline::concat("of ", first, "@1")});
  }

  TEST_CASE("query: interval leaves out what comes too soon after the last one shown") {
    QueryFixture data;
    data.add_object({entry("a", 1, "one"), entry("a", 2, "two"), entry("b", 3, "three"), entry("a", 7, "seven")});
    RangeQuery query = log_query(R"({app=~".+"})", Direction::kForward);
    query.log.interval = 2s;
    CHECK(ask(data, query) == Lines{"one@1", "three@3", "seven@7"});
    query.log.direction = Direction::kBackward;
    CHECK(ask(data, query) == Lines{"seven@7", "three@3", "one@1"});
    query.log.limit = 3;
    CHECK(ask(data, query) == Lines{"seven@7", "three@3"});  // and "two", which comes too soon
  }

  TEST_CASE("query: categorised labels keep structured metadata apart, otherwise they are merged into the stream") {
    QueryFixture data;
    data.add_object({entry("a", 1, R"({"level":"info"})", "t1")});
    RangeQuery query = log_query(R"({app="a"} | json)");
    auto merged = data.engine().range(query, kNotCancelled);
    REQUIRE(merged.has_value());
    CHECK(std::get<ResultStreams>(merged->data).at(0).labels.text() == R"({app="a", level="info", trace="t1"})");
    query.log.categorize_labels = true;
    auto apart = data.engine().range(query, kNotCancelled);
    REQUIRE(apart.has_value());
    const ResultStream& stream = std::get<ResultStreams>(apart->data).at(0);
    CHECK(stream.labels.text() == R"({app="a"})");
    CHECK(stream.entries.at(0).structured_metadata == std::vector<pipeline::Label>{{"trace", "t1"}});
    CHECK(stream.entries.at(0).parsed == std::vector<pipeline::Label>{{"level", "info"}});
  }

  TEST_CASE("query: limits and wrong questions are refused with Loki's texts") {
    QueryFixture data;
    data.add_object({entry("a", 1, "x"), entry("b", 1, "x"), entry("c", 1, "x")});
    auto refusal = [&](auto result) { return result ? std::string("accepted") : result.error().message; };
    QueryEngine engine = data.engine({.max_entries_limit_per_query = 10, .max_query_series = 2});
    CHECK(refusal(engine.range(log_query(R"({app="a"})", Direction::kBackward, 11), kNotCancelled)) ==
          "max entries limit per query exceeded, limit > max_entries_limit_per_query (11 > 10)");
    CHECK(refusal(engine.instant({"t", R"({app="a"})", kStart}, kNotCancelled))
              .starts_with("log queries are not supported as an instant query type"));
    CHECK(
        refusal(engine.instant({"t", R"(count_over_time({app=~".+"}[1000s]))", kStart + 999 * kSecond}, kNotCancelled))
            .starts_with("maximum number of series (2) reached for a single query;"));
    RangeQuery wide = log_query(R"({app="a"})", Direction::kBackward, 5);
    wide.start = 0, wide.end = 800 * 3600 * kSecond;
    CHECK(refusal(engine.range(wide, kNotCancelled)) ==
          "the query time range exceeds the limit (query length: 800h0m0s, limit: 30d1h)");
    CHECK(refusal(engine.range(log_query("{app=", Direction::kBackward, 5), kNotCancelled))
              .starts_with("parse error at line 1"));
  }

  TEST_CASE("query: a metric query that would hold more than its memory limit names the aggregation and its series") {
    QueryFixture data;
    std::vector<PlainEntry> entries;
    for (int i = 0; i < 900; ++i) entries.push_back(entry("a", i, pipeline::concat("id=", i)));
    data.add_object(entries);
    QueryEngine engine = data.engine({.max_query_series = 0}, {.memory_limit = 1 << 20});
    auto result = engine.range(log_query(R"(count_over_time({app="a"} | logfmt [1000s]))"), kNotCancelled);
    CHECK(result.has_value());
    RangeQuery fine = log_query(R"(count_over_time({app="a"} | logfmt [1000s]))");
    fine.step = 100ms;
    auto refused = engine.range(fine, kNotCancelled);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Errc::kOverLimit);
    CHECK(refused.error().message.find("query.memory_limit allows (1 MiB): count_over_time would hold") !=
          std::string::npos);
  }

  TEST_CASE("query: two vectors are combined where their labels are equal, and Grafana's health check is answered") {
    QueryFixture data;
    data.add_object({entry("a", 1, "x"), entry("a", 2, "error"), entry("b", 1, "x")});
    CHECK(instant(data, "vector(1)+vector(1)", 2'296'000'000) == 2);
    CHECK(
        instant(
            data,
            R"(sum by (app) (count_over_time({app=~".+"} |= "error" [1000s])) / sum by (app) (count_over_time({app=~".+"}[1000s])))") ==
        0.5);
    CHECK(instant(data, R"(count_over_time({app="a"}[1000s]) > count_over_time({app="a"} |= "error" [1000s]))") == 2);
    CHECK(instant(data, "vector(2) and vector(1)") == 2);
  }

  TEST_CASE("query: a cancelled query ends with kCancelled") {
    QueryFixture data;
    data.add_object({entry("a", 1, "x")});
    std::atomic<bool> cancelled{true};
    auto result = data.engine().range(log_query(R"({app="a"})"), cancelled);
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == Errc::kCancelled);
    CHECK(data.engine()
              .instant({"t", R"(count_over_time({app="a"}[1000s]))", kStart + 999 * kSecond}, cancelled)
              .error()
              .code == Errc::kCancelled);
  }

  TEST_CASE("query: labels, values and series come from objects and head, of the tenant and the time range") {
    QueryFixture data;
    data.add_object({entry("a", 1, "x"), {"other", LabelSet::from({{"secret", "1"}}), kStart + kSecond, "x", ""}});
    data.add_head({entry("b", 500, "x")});
    QueryEngine engine = data.engine();
    StreamQuery all{"t", {}, kStart, kStart + 1000 * kSecond};
    LoneTurn turn(kNotCancelled);
    auto values = [&](const StreamQuery& query) { return engine.label_values(query, "app", turn)->found; };
    CHECK(engine.label_names(all, turn)->found == std::vector<std::string>{"app"});
    CHECK(values(all) == std::vector<std::string>{"a", "b"});
    CHECK(values({"t", {}, kStart, kStart + 100 * kSecond}) == std::vector<std::string>{"a"});
    CHECK(values({"t", {R"({app!="a",app=~".+"})"}, kStart, kStart + 1000 * kSecond}) == std::vector<std::string>{"b"});
    const std::vector<std::string> two = {R"({app="a"})", R"({app=~".+"})"};
    CHECK(engine.series({"t", two, kStart, kStart + 1000 * kSecond}, turn)->found.size() == 2);
    CHECK(engine.series({"t", {R"({app="a"} |= "x")"}, kStart, kStart + 1}, turn).error().message ==
          "only label matchers are supported");
  }

  TEST_CASE("query: labels, series, volumes and patterns without an unreadable object say what they lack") {
    QueryFixture data;
    data.add_object({entry("lost", 1, "x")});
    data.add_object({entry("kept", 2, "x")});
    data.add_object({{"other", LabelSet::from({{"app", "y"}}), kStart + kSecond, "x", ""}});
    REQUIRE(data.store().remove(data.objects()[0].key));
    REQUIRE(data.store().remove(data.objects()[2].key));  // another tenant's: no concern of ours
    QueryEngine engine = data.engine();
    LoneTurn turn(kNotCancelled);
    const StreamQuery all{"t", {}, kStart, kStart + 10 * kSecond};
    auto says_so = [](const std::vector<std::string>& warnings) {
      REQUIRE(warnings.size() == 1);
      CHECK(warnings[0].starts_with("an object could not be read, its entries are missing: "));
    };
    auto values = engine.label_values(all, "app", turn);
    REQUIRE(values.has_value());
    CHECK(values->found == std::vector<std::string>{"kept"});
    says_so(values->warnings);
    says_so(engine.label_names(all, turn)->warnings);
    says_so(engine.series(all, turn)->warnings);
    const VolumeSelection selection{"t", {}, {kStart, kStart + 10 * kSecond}};
    auto totals = engine.volume_totals(selection, turn);
    REQUIRE(totals.has_value());
    CHECK(totals->found.entries == 1);
    says_so(totals->warnings);
    auto volumes = engine.volumes(selection, {VolumeGrouping::By::kSeries, true, {}}, 0, turn);
    REQUIRE(volumes.has_value());
    CHECK(volumes->found.size() == 1);
    says_so(volumes->warnings);
  }

  TEST_CASE("query: labels and volumes end when the client goes away") {
    QueryFixture data;
    data.add_object({entry("a", 1, "x")});
    std::atomic<bool> cancelled{true};
    LoneTurn turn(cancelled);
    CHECK(data.engine().label_names({"t", {}, kStart, kStart + 10 * kSecond}, turn).error().code == Errc::kCancelled);
    CHECK(data.engine().volume_totals({"t", {}, {kStart, kStart + kSecond * 10}}, turn).error().code ==
          Errc::kCancelled);
  }

  TEST_CASE("query: random entries in random places are answered as a plain list would be") {
    uint64_t seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 30; ++round) {
      QueryFixture data;
      std::vector<PlainEntry> entries;
      size_t count = random() % 3000;
      bool coarse = random() % 2 == 0;  // many equal times
      for (size_t i = 0; i < count; ++i) {
        std::string line = pipeline::concat(random() % 3 == 0 ? "ERROR " : "info ", random() % 50, " ",
                                            std::string(random() % 300, 'y'));
        PlainEntry e = entry(("app" + std::to_string(random() % 5)).c_str(), static_cast<int64_t>(random() % 1000),
                             line, random() % 4 == 0 ? "t1" : "");
        if (!coarse) e.time += static_cast<int64_t>(random() % kSecond);
        entries.push_back(e);
      }
      size_t places = 1 + random() % 6;
      std::vector<std::vector<PlainEntry>> spread(places);
      for (const PlainEntry& e : entries) {
        spread[random() % places].push_back(e);
        if (random() % 10 == 0) spread[random() % places].push_back(e);
      }
      for (auto& place : spread) {
        if (place.empty()) continue;
        random() % 3 == 0 ? data.add_head(place) : data.add_object(place);
      }
      QueryEngine engine = data.engine();
      std::vector<PlainEntry> all = data.distinct();

      // A log query with a filter, both directions: the set of (time, line) up to ties at the limit.
      Direction direction = random() % 2 ? Direction::kForward : Direction::kBackward;
      uint32_t limit = static_cast<uint32_t>(1 + random() % 2000);
      auto found = engine.range(log_query(R"({app=~"app[0-3]"} |= "ERROR")", direction, limit), kNotCancelled);
      REQUIRE_MESSAGE(found.has_value(), found.error().message);
      std::vector<UnixNanos> wanted, got;
      for (const PlainEntry& e : all) {
        if (e.labels.get("app") != "app4" && e.line.starts_with("ERROR") && e.time < kStart + 1000 * kSecond)
          wanted.push_back(e.time);
      }
      std::sort(wanted.begin(), wanted.end());
      if (direction == Direction::kBackward) std::reverse(wanted.begin(), wanted.end());
      if (wanted.size() > limit) wanted.resize(limit);
      for (const ResultStream& stream : std::get<ResultStreams>(found->data)) {
        for (const ResultEntry& e : stream.entries) got.push_back(e.time);
      }
      std::sort(got.begin(), got.end());
      if (direction == Direction::kBackward) std::reverse(got.begin(), got.end());
      CHECK(got == wanted);

      // Counts by app over sliding windows.
      RangeQuery counts = log_query(R"(sum by (app) (count_over_time({app=~"app.*"} |= "ERROR" [90s])))");
      counts.step = 40s;
      auto matrix = engine.range(counts, kNotCancelled);
      REQUIRE_MESSAGE(matrix.has_value(), matrix.error().message);
      std::map<std::pair<std::string, UnixNanos>, double> expected, actual;
      for (UnixNanos t = counts.start; t <= counts.end; t += 40 * kSecond) {
        for (const PlainEntry& e : all) {
          if (e.line.starts_with("ERROR") && e.time > t - 90 * kSecond && e.time <= t)
            ++expected[{std::string(*e.labels.get("app")), t}];
        }
      }
      const ResultMatrix& result = std::get<ResultMatrix>(matrix->data);
      for (const Series& series : result.matrix.series) {
        for (const Point& point : series.points)
          actual[{std::string(*series.labels.get("app")), result.grid.at(point.step)}] = point.value;
      }
      CHECK(actual == expected);
      CHECK(instant(data, R"(sum(count_over_time({app=~"app.*"}[2000s])))", 1500) == static_cast<double>(all.size()));
    }
  }
}
