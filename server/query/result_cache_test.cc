#include "server/cache/result_cache.h"

#include <doctest/doctest.h>
#include <random>

#include "server/query/result_codec.h"
#include "server/query/testing/query_fixture.h"

using namespace server;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr UnixNanos kStart = 1'700'000'000 * kSecond;

const std::atomic<bool> kNotCancelled{false};

PlainEntry entry(const char* app, int64_t second, std::string line = "x") {
  return {"t", LabelSet::from({{"app", app}}), kStart + second * kSecond, std::move(line), ""};
}

RangeQuery count_query(const std::string& text = "sum(count_over_time({app=~\".+\"}[10s]))") {
  return {"t", text, kStart, kStart + 100 * kSecond, std::chrono::seconds(10), {}};
}

double total(const QueryResult& result) {
  double sum = 0;
  for (const Series& series : std::get<ResultMatrix>(result.data).matrix.series)
    for (const Point& point : series.points) sum += point.value;
  return sum;
}

struct Fixture {
  QueryResult ask(const RangeQuery& query) {
    QueryEngine engine = data.engine();
    engine.use_results(cache);
    auto result = engine.range(query, kNotCancelled);
    REQUIRE(result.has_value());
    return *std::move(result);
  }
  pipeline::Registry registry;
  ResultCache cache{1 << 20, nullptr, registry};
  QueryFixture data;
};

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: the second time a metric query is answered from the cache, and its numbers say so") {
    Fixture f;
    f.data.add_object({entry("a", 5), entry("b", 25)});
    QueryResult first = f.ask(count_query()), second = f.ask(count_query());
    CHECK(total(first) == 2);
    CHECK(total(second) == 2);
    CHECK(first.stats.results_found == 0);
    CHECK(first.stats.results_kept == 1);
    CHECK(second.stats.results_found == 1);
    CHECK(second.stats.store_lines == 0);
    CHECK(second.stats.pages_read == 0);
    CHECK(f.ask(count_query("sum(count_over_time({app=\"a\"}[10s]))")).stats.results_found == 0);
  }

  TEST_CASE("query: another object, a late entry in the head, a changed range: never an old answer") {
    Fixture f;
    f.data.add_object({entry("a", 5)});
    CHECK(total(f.ask(count_query())) == 1);
    f.data.add_object({entry("b", 15)});
    CHECK(total(f.ask(count_query())) == 2);
    f.data.add_head({entry("c", 25)});
    CHECK(total(f.ask(count_query())) == 3);
    RangeQuery longer = count_query();
    longer.end += 10 * kSecond;
    CHECK(f.ask(longer).stats.results_found == 0);
    RangeQuery other = count_query();
    other.tenant = "other";
    CHECK(std::get<ResultMatrix>(f.ask(other).data).matrix.series.empty());
  }

  TEST_CASE("query: what lies outside of the windows of a query does not disturb its cached answer") {
    Fixture f;
    f.data.add_object({entry("a", 5)});
    (void)f.ask(count_query());
    f.data.add_object({entry("a", 5000)});
    f.data.add_head({entry("a", 6000)});
    CHECK(f.ask(count_query()).stats.results_found == 1);
  }

  TEST_CASE("query: Cache-Control: no-cache and explain pass by the cache") {
    Fixture f;
    f.data.add_object({entry("a", 5)});
    RangeQuery anew = count_query(), explained = count_query();
    anew.anew = true;
    explained.explain = true;
    CHECK(f.ask(anew).stats.results_asked == 0);
    CHECK(f.ask(explained).stats.results_asked == 0);
    CHECK(f.ask(count_query()).stats.results_found == 0);
    CHECK(f.ask(anew).stats.results_found == 0);
  }

  TEST_CASE("query: a partial answer is not kept") {
    Fixture f;
    f.data.add_object({entry("a", 5)});
    f.data.add_object({entry("a", 15)});
    REQUIRE(f.data.store().remove(f.data.objects()[0].key));
    QueryResult partial = f.ask(count_query());
    CHECK(partial.partial);
    CHECK(partial.stats.results_kept == 0);
    CHECK(f.ask(count_query()).stats.results_found == 0);
  }

  TEST_CASE("query: any matrix survives the cache, and no bytes are taken for one that are none") {
    const uint64_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
      Matrix matrix;
      matrix.is_scalar = random() % 2 == 0;
      for (uint64_t s = random() % 5; s > 0; --s) {
        Series series{LabelSet::from({{"n", std::to_string(s)}, {"v", std::string(random() % 300, 'x')}}), {}};
        for (uint32_t step = 0; step < 300; step += 1 + static_cast<uint32_t>(random() % 200))
          series.points.push_back({step, static_cast<double>(random() % 1000) / 7});
        matrix.series.push_back(std::move(series));
      }
      const std::string bytes = encode_matrix(matrix);
      auto again = decode_matrix(bytes, 300);
      REQUIRE(again.has_value());
      CHECK(again->is_scalar == matrix.is_scalar);
      CHECK(encode_matrix(*again) == bytes);
      for (size_t cut = 0; cut < bytes.size(); cut += 1 + bytes.size() / 50)
        CHECK_FALSE(decode_matrix(std::string_view(bytes).substr(0, cut), 300).has_value());
      std::string damaged = bytes;
      damaged[random() % damaged.size()] = static_cast<char>(random());
      (void)decode_matrix(damaged, 300);  // whatever it is, it does not crash
    }
    CHECK_FALSE(decode_matrix("", 1).has_value());
    CHECK_FALSE(decode_matrix(encode_matrix({{{LabelSet(), {{5, 1.0}}}}, false}), 5).has_value());
  }
}
