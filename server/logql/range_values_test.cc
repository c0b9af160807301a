#include "server/logql/range_values.h"

#include <algorithm>
#include <cmath>
#include <doctest/doctest.h>
#include <random>
#include <string>

using namespace server;

namespace {

struct Timed {
  UnixNanos time = 0;
  double value = 0;
};

// What the values of one window, in order of time, come to: the obvious way.
double naive(const RangeAggregation& aggregation, const std::vector<Timed>& in, UnixNanos start, UnixNanos end) {
  const auto n = static_cast<double>(in.size());
  double sum = 0, low = in[0].value, high = in[0].value;
  for (const Timed& one : in) sum += one.value, low = std::min(low, one.value), high = std::max(high, one.value);
  double squares = 0;
  for (const Timed& one : in) squares += (one.value - sum / n) * (one.value - sum / n);
  const double seconds = static_cast<double>(aggregation.range.range_ns) / 1e9;
  switch (aggregation.op) {
    case RangeOp::kCountOverTime:
    case RangeOp::kAbsentOverTime: return n;
    case RangeOp::kRate: return (aggregation.range.unwrap ? sum : n) / seconds;
    case RangeOp::kBytesOverTime:
    case RangeOp::kSumOverTime: return sum;
    case RangeOp::kBytesRate: return sum / seconds;
    case RangeOp::kAvgOverTime: return sum / n;
    case RangeOp::kMinOverTime: return low;
    case RangeOp::kMaxOverTime: return high;
    case RangeOp::kStdvarOverTime: return squares / n;
    case RangeOp::kStddevOverTime: return std::sqrt(squares / n);
    case RangeOp::kFirstOverTime: return in.front().value;
    case RangeOp::kLastOverTime: return in.back().value;
    case RangeOp::kQuantileOverTime: {
      std::vector<double> sorted;
      for (const Timed& one : in) sorted.push_back(one.value);
      std::sort(sorted.begin(), sorted.end());
      const double rank = *aggregation.parameter * (n - 1), weight = rank - std::floor(rank);
      const auto at = static_cast<size_t>(rank);
      return sorted[at] * (1 - weight) + sorted[std::min(at + 1, sorted.size() - 1)] * weight;
    }
    case RangeOp::kRateCounter: {
      if (in.size() < 2) return 0;
      double gained = in.back().value - in.front().value;
      for (size_t i = 1; i < in.size(); ++i)
        if (in[i].value < in[i - 1].value) gained += in[i - 1].value;
      const auto sampled = static_cast<double>(in.back().time - in.front().time);
      auto before = static_cast<double>((end - start) / 1'000'000);
      if (before >= 1.1 * sampled / (n - 1)) before = sampled / (n - 1) / 2;
      if (gained > 0 && in.front().value >= 0) before = std::min(before, sampled * in.front().value / gained);
      return gained * (sampled + before) / sampled / seconds;
    }
  }
  return 0;
}

// Series of entries without labels.
struct Unlabelled {
  Unlabelled() : pipeline(*LogPipeline::compile({}, {LabelUse::Kind::kNone, {}})), run(pipeline, labels) {
    run.begin_stream(none);
    run.process(0, {}, {});
    id = run.labels();
  }
  LabelSet none;
  LogPipeline pipeline;
  LabelResults labels;
  PipelineRun run;
  LabelResults::Id id = 0;
};

std::vector<Point> points_of(std::vector<RangeValues*> values, const LabelResults& labels) {
  std::vector<RangeValues::Part> parts;
  for (RangeValues* one : values) parts.push_back({one, &labels});
  MatrixSink sink;
  REQUIRE(RangeValues::finish(parts, sink));
  return sink.matrix.series.empty() ? std::vector<Point>() : sink.matrix.series.at(0).points;
}

bool near(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b || std::abs(a - b) <= 1e-9 * std::max({std::abs(a), std::abs(b), 1.0});
}

constexpr RangeOp kOps[] = {RangeOp::kCountOverTime,    RangeOp::kRate,          RangeOp::kBytesOverTime,
                            RangeOp::kBytesRate,        RangeOp::kAvgOverTime,   RangeOp::kSumOverTime,
                            RangeOp::kMinOverTime,      RangeOp::kMaxOverTime,   RangeOp::kStdvarOverTime,
                            RangeOp::kStddevOverTime,   RangeOp::kFirstOverTime, RangeOp::kLastOverTime,
                            RangeOp::kQuantileOverTime, RangeOp::kRateCounter};

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("range values: windows joined from buckets agree with going through each window") {
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); };
    Unlabelled series;
    for (int round = 0; round < 200; ++round) {
      RangeAggregation aggregation;
      aggregation.range.range_ns = pick(0, 3) == 0 ? pick(0, 300) : pick(0, 50);
      aggregation.range.offset_ns = pick(-30, 30);
      aggregation.parameter = static_cast<double>(pick(0, 10)) / 10;
      const StepGrid grid{pick(-50, 50), pick(1, 30), static_cast<uint32_t>(pick(1, 40))};
      std::vector<Timed> entries;
      UnixNanos time = -150;
      for (int64_t n = pick(1, 80); n > 0; --n)
        entries.push_back({time += pick(1, 20), static_cast<double>(pick(0, 40))});
      for (const RangeOp op : kOps) {
        aggregation.op = op;
        if (op == RangeOp::kRate && pick(0, 1)) aggregation.range.unwrap = Unwrap{};
        CAPTURE(range_op_text(op));
        RangeValues left(aggregation, grid), right(aggregation, grid);
        std::vector<Timed> shuffled = entries;
        if (pick(0, 1)) std::shuffle(shuffled.begin(), shuffled.end(), random);
        for (const Timed& one : shuffled) (pick(0, 2) ? left : right).add(series.id, one.time, one.value);
        const std::vector<Point> found = points_of({&left, &right}, series.labels);
        aggregation.range.unwrap =
            left.input() == RangeValues::Input::kUnwrapped ? std::optional(Unwrap{}) : std::nullopt;
        auto point = found.begin();
        for (uint32_t step = 0; step < grid.count; ++step) {
          const UnixNanos end = grid.at(step) - aggregation.range.offset_ns, start = end - aggregation.range.range_ns;
          std::vector<Timed> window;
          for (const Timed& one : entries)
            if (one.time > start && one.time <= end) window.push_back(one);
          if (window.empty()) continue;
          REQUIRE(point != found.end());
          CHECK(point->step == step);
          const double expected = naive(aggregation, window, start, end);
          CHECK_MESSAGE(near(point->value, expected), point->value, " should be ", expected);
          ++point;
        }
        CHECK(point == found.end());
        aggregation.range.unwrap.reset();
      }
    }
  }

  TEST_CASE("range values: counting runs of times agrees with counting each") {
    const unsigned seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937 random(seed);
    auto pick = [&](int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random); };
    Unlabelled series;
    for (int round = 0; round < 300; ++round) {
      RangeAggregation aggregation;
      aggregation.range.range_ns = pick(0, 50);
      aggregation.range.offset_ns = pick(-30, 30);
      const StepGrid grid{pick(-50, 50), pick(1, 30), static_cast<uint32_t>(pick(1, 12))};
      std::vector<UnixNanos> times(static_cast<size_t>(pick(1, 60)));
      for (UnixNanos& time : times) time = pick(-150, 450);
      std::sort(times.begin(), times.end());
      std::vector<uint32_t> offsets = {0};
      for (size_t i = 0; i < times.size(); ++i) offsets.push_back(offsets.back() + static_cast<uint32_t>(pick(0, 9)));
      for (const RangeOp op : {RangeOp::kCountOverTime, RangeOp::kBytesOverTime}) {
        aggregation.op = op;
        RangeValues one(aggregation, grid), many(aggregation, grid), whole(aggregation, grid);
        const EntryTimes wanted = entry_times(aggregation.range, grid);
        for (size_t i = 0; i < times.size(); ++i) {
          if (times[i] >= wanted.begin && times[i] < wanted.end)
            one.add(series.id, times[i], offsets[i + 1] - offsets[i]);
        }
        const std::vector<Point> expected = points_of({&one}, series.labels);
        std::vector<std::vector<Point>> others;
        if (op == RangeOp::kCountOverTime) {
          many.add_sorted(series.id, times);
          for (size_t i = 0; i < times.size(); ++i) {
            size_t end = i + 1;
            while (end < times.size() && times[end] <= whole.bucket_last(times[i])) ++end;
            whole.add_sum(series.id, times[i], end - i);
            i = end - 1;
          }
          others.push_back(points_of({&whole}, series.labels));
        } else {
          many.add_sorted(series.id, times, offsets);
        }
        others.push_back(points_of({&many}, series.labels));
        for (const std::vector<Point>& other : others) {
          REQUIRE(other.size() == expected.size());
          for (size_t i = 0; i < other.size(); ++i) {
            CHECK(other[i].step == expected[i].step);
            CHECK(other[i].value == expected[i].value);
          }
        }
      }
    }
  }

  TEST_CASE("range values: infinities and what is no number") {
    Unlabelled series;
    auto over = [&](RangeOp op, std::vector<double> in, double quantile = 0) {
      RangeAggregation aggregation;
      aggregation.op = op;
      aggregation.parameter = quantile;
      aggregation.range.range_ns = 100;
      RangeValues values(aggregation, {100, 1, 1});
      UnixNanos time = 0;
      for (const double value : in) values.add(series.id, ++time, value);
      return value_text(points_of({&values}, series.labels).at(0).value);
    };
    CHECK(over(RangeOp::kAvgOverTime, {1, INFINITY, 2}) == "+Inf");
    CHECK(over(RangeOp::kAvgOverTime, {INFINITY, -INFINITY}) == "NaN");
    CHECK(over(RangeOp::kAvgOverTime, {INFINITY, NAN}) == "NaN");
    CHECK(over(RangeOp::kMaxOverTime, {NAN, 1, NAN, 2}) == "2");
    CHECK(over(RangeOp::kMinOverTime, {NAN, 2, NAN, 1}) == "1");
    CHECK(over(RangeOp::kMinOverTime, {NAN, NAN}) == "NaN");
    CHECK(over(RangeOp::kStddevOverTime, {INFINITY}) == "NaN");
    CHECK(over(RangeOp::kStdvarOverTime, {7}) == "0");
    CHECK(over(RangeOp::kQuantileOverTime, {1, NAN, 2}, 0) == "NaN");
    CHECK(over(RangeOp::kQuantileOverTime, {1, NAN, 2}, 1) == "2");
    CHECK(over(RangeOp::kQuantileOverTime, {1, 2}, 1.5) == "+Inf");
    CHECK(over(RangeOp::kQuantileOverTime, {5}, 0.5) == "5");
    CHECK(over(RangeOp::kSumOverTime, {INFINITY, -INFINITY}) == "NaN");
    CHECK(over(RangeOp::kLastOverTime, {1, NAN}) == "NaN");
    CHECK(over(RangeOp::kFirstOverTime, {1, NAN}) == "1");
  }

  TEST_CASE("range values: a counter that starts again goes on where it was") {
    Unlabelled series;
    auto at_4 = [&](int64_t seconds) {
      RangeAggregation aggregation;
      aggregation.op = RangeOp::kRateCounter;
      aggregation.range.range_ns = seconds * 1'000'000'000;
      RangeValues values(aggregation, {4'000'000'000, 1, 1});
      UnixNanos time = 0;
      for (const double value : {10.0, 20.0, 5.0, 15.0}) values.add(series.id, time += 1'000'000'000, value);
      return points_of({&values}, series.labels).at(0).value;
    };
    CHECK(near(at_4(4), 25 * (3 + 4e-6) / 3 / 4));
    CHECK(near(at_4(2), 10 * (1 + 2e-6) / 2));
    CHECK(at_4(1) == 0);
  }
}
