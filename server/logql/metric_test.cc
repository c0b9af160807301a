#include "server/logql/metric.h"

#include <cmath>
#include <doctest/doctest.h>
#include <string>

#include "server/logql/parser.h"
#include "server/logql/range_values.h"
#include "server/logql/testing/list_source.h"
#include "server/logql/vector_aggregation.h"

using namespace server;
using pipeline::Label;

namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::string text_of(Result<Matrix> matrix, const StepGrid& grid) {
  if (!matrix) return matrix.error().message;
  matrix->sort();
  std::string out;
  for (const Series& series : matrix->series) {
    out += (out.empty() ? "" : " ") + series.labels.text();
    for (const Point& point : series.points)
      out += " " + std::to_string(grid.at(point.step) / kSecond) + "=" + value_text(point.value);
  }
  return out;
}

std::vector<NaiveEntry> pods() {
  std::vector<NaiveEntry> out;
  auto add = [&](std::string pod, int64_t seconds, std::string line) {
    out.push_back({LabelSet::from({{"app", "foo"}, {"pod", std::move(pod)}}), seconds * kSecond, std::move(line), {}});
  };
  for (int64_t t : {0, 10, 20, 30}) add("a", t, "line");
  add("b", 5, "x");
  add("b", 30, "");
  return out;
}

// At 30 s, or from 0 to 30 s every 10 s.
std::string instant(std::string_view query, int64_t seconds = 30) {
  const auto entries = pods();
  ListSource source(entries, 2);
  const StepGrid grid{seconds * kSecond, 1, 1};
  return text_of(evaluate_metric(*parse_query(query), grid, source), grid);
}
std::string range(std::string_view query) {
  const auto entries = pods();
  ListSource source(entries);
  const StepGrid grid{0, 10 * kSecond, 4};
  return text_of(evaluate_metric(*parse_query(query), grid, source), grid);
}

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("metric: windows leave their start out and hold their end") {
    CHECK(instant(R"(count_over_time({app="foo"}[30s]))") == R"({app="foo", pod="a"} 30=3 {app="foo", pod="b"} 30=2)");
    CHECK(instant(R"(count_over_time({app="foo"}[10s] offset 10s))") == R"({app="foo", pod="a"} 30=1)");
    CHECK(range(R"(count_over_time({app="foo"}[5s]))") ==
          R"({app="foo", pod="a"} 0=1 10=1 20=1 30=1 {app="foo", pod="b"} 30=1)");
    CHECK(range(R"(count_over_time({app="foo"}[10s]))") ==
          R"({app="foo", pod="a"} 0=1 10=1 20=1 30=1 {app="foo", pod="b"} 10=1 30=1)");
    CHECK(instant(R"(count_over_time({app="foo"}[0s]))").empty());
    CHECK(range(R"(count_over_time({app="foo"}[10s] offset -10s))") ==
          R"({app="foo", pod="a"} 0=1 10=1 20=1 {app="foo", pod="b"} 0=1 20=1)");
  }

  TEST_CASE("metric: rates and bytes") {
    CHECK(instant(R"(rate({pod="a"}[30s]))") == R"({app="foo", pod="a"} 30=0.1)");
    CHECK(instant(R"(bytes_over_time({app="foo"}[30s]))") == R"({app="foo", pod="a"} 30=12 {app="foo", pod="b"} 30=1)");
    CHECK(instant(R"(bytes_rate({app="foo"}[5s]))") == R"({app="foo", pod="a"} 30=0.8 {app="foo", pod="b"} 30=0)");
    CHECK(instant(R"(bytes_over_time({pod="a"} | line_format "<{{.pod}}>" [30s]))") == R"({app="foo", pod="a"} 30=9)");
  }

  TEST_CASE("metric: vector aggregations group by labels") {
    CHECK(instant(R"(sum(count_over_time({app="foo"}[30s])))") == "{} 30=5");
    CHECK(instant(R"(sum by (pod) (count_over_time({app="foo"}[30s])))") == R"({pod="a"} 30=3 {pod="b"} 30=2)");
    CHECK(instant(R"(sum without (pod) (count_over_time({app="foo"}[30s])))") == R"({app="foo"} 30=5)");
    CHECK(instant(R"(sum by () (count_over_time({app="foo"}[30s])))") == "{} 30=5");
    CHECK(instant(R"(sum without () (count_over_time({pod="a"}[30s])))") == R"({app="foo", pod="a"} 30=3)");
    CHECK(instant(R"(sum by (nope) (count_over_time({app="foo"}[30s])))") == "{} 30=5");
    CHECK(instant(R"(avg(count_over_time({app="foo"}[30s])))") == "{} 30=2.5");
    CHECK(instant(R"(max(count_over_time({app="foo"}[30s])))") == "{} 30=3");
    CHECK(instant(R"(min by (app) (count_over_time({app="foo"}[30s])))") == R"({app="foo"} 30=2)");
    CHECK(instant(R"(count(count_over_time({app="foo"}[30s])))") == "{} 30=2");
    CHECK(instant(R"(max(sum by (pod) (count_over_time({app="foo"}[30s]))))") == "{} 30=3");
    CHECK(range(R"(sum(count_over_time({app="foo"}[10s])))") == "{} 0=1 10=2 20=1 30=2");
    CHECK(instant("sum(vector(1))") == "{} 30=1");
  }

  TEST_CASE("metric: scalars on either side") {
    CHECK(instant(R"(count_over_time({app="foo"}[30s]) / 0)") ==
          R"({app="foo", pod="a"} 30=NaN {app="foo", pod="b"} 30=NaN)");
    CHECK(instant(R"(2 < count_over_time({app="foo"}[30s]))") == R"({app="foo", pod="a"} 30=3)");
    CHECK(instant(R"(count_over_time({app="foo"}[30s]) > bool 2)") ==
          R"({app="foo", pod="a"} 30=1 {app="foo", pod="b"} 30=0)");
    CHECK(instant(R"(10 - 2 * sum(count_over_time({app="foo"}[30s])) + 1)") == "{} 30=1");
    CHECK(instant(R"(2 ^ sum(count_over_time({app="foo"}[30s])))") == "{} 30=32");
    CHECK(instant("1 + 1") == "{} 30=2");
    CHECK(range("vector(0.5) * 3") == "{} 0=1.5 10=1.5 20=1.5 30=1.5");
    CHECK(range(R"(sum(count_over_time({app="foo"}[10s])) == 2)") == "{} 10=2 30=2");
  }

  TEST_CASE("metric: averages and extremes go around what is no number") {
    const StepGrid grid{0, 1, 1};
    auto over = [&](VectorOp op, std::vector<double> values) {
      VectorAggregation aggregation;
      aggregation.op = op;
      const std::vector<NaiveEntry> none;
      const auto aggregator = VectorAggregator::create(aggregation, grid, ListSource(none).memory("sum"));
      for (size_t i = 0; i < values.size(); ++i)
        REQUIRE(aggregator->add({LabelSet::from({{"i", std::to_string(i)}}), {{0, values[i]}}}));
      MatrixSink out;
      REQUIRE(aggregator->finish(out));
      return value_text(out.matrix.series[0].points[0].value);
    };
    CHECK(over(VectorOp::kMax, {NAN, 1, 2, NAN}) == "2");
    CHECK(over(VectorOp::kMin, {NAN, 2, 1, NAN}) == "1");
    CHECK(over(VectorOp::kMax, {NAN, NAN}) == "NaN");
    CHECK(over(VectorOp::kCount, {NAN, 1}) == "2");
    CHECK(over(VectorOp::kAvg, {1, INFINITY, 2}) == "+Inf");
    CHECK(over(VectorOp::kAvg, {INFINITY, -INFINITY}) == "NaN");
    CHECK(over(VectorOp::kAvg, {-INFINITY, 5, NAN}) == "NaN");
    CHECK(over(VectorOp::kSum, {1, 2, 3.5}) == "6.5");
    CHECK(over(VectorOp::kStdvar, {1, 2, 3, 4}) == "1.25");
    CHECK(over(VectorOp::kStddev, {2, 4}) == "1");
    CHECK(over(VectorOp::kStddev, {INFINITY}) == "0");
    CHECK(over(VectorOp::kStddev, {1, NAN}) == "NaN");
  }

  TEST_CASE("metric: values are written without exponents") {
    CHECK(value_text(2) == "2");
    CHECK(value_text(-0.00000015) == "-0.00000015");
    CHECK(value_text(1e21) == "1000000000000000000000");
    CHECK(value_text(123456789.123456789) == "123456789.12345679");
    CHECK(value_text(8.333333333333332) == "8.333333333333332");
    CHECK(value_text(INFINITY) == "+Inf");
    CHECK(value_text(-INFINITY) == "-Inf");
  }

  TEST_CASE("metric: an error in a window fails the query, unless it was asked for") {
    std::vector<NaiveEntry> entries = {{LabelSet::from({{"app", "foo"}}), 10 * kSecond, "nope", {}},
                                       {LabelSet::from({{"app", "foo"}}), 20 * kSecond, R"({"k":"v"})", {}}};
    ListSource source(entries);
    auto at = [&](std::string_view query, int64_t seconds) {
      const StepGrid grid{seconds * kSecond, 1, 1};
      return text_of(evaluate_metric(*parse_query(query), grid, source), grid);
    };
    constexpr std::string_view kCount = R"(count_over_time({app="foo"} | json [10s]))";
    CHECK(at(kCount, 10).starts_with("pipeline error: 'JSONParserErr' for series: '{__error__="));
    CHECK(at(kCount, 20) == R"({app="foo", k="v"} 20=1)");
    CHECK(at("sum(" + std::string(kCount) + ")", 10) == "{} 10=1");
    CHECK(at("sum by (k) (" + std::string(kCount) + ")", 10).starts_with("pipeline error"));
    CHECK(at("sum by (__error__) (" + std::string(kCount) + ")", 10) == R"({__error__="JSONParserErr"} 10=1)");
    CHECK(at(R"(sum(count_over_time({app="foo"} | json | __error__!="" [20s])))", 20) == "{} 20=1");
    CHECK(at(R"(count_over_time({app="foo"} | json | __error__="" [20s]))", 20) == R"({app="foo", k="v"} 20=1)");
  }
}
