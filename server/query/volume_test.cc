#include "server/query/volume.h"

#include <doctest/doctest.h>
#include <map>

#include "server/query/testing/query_fixture.h"

using namespace server;
using pipeline::Label;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr UnixNanos kStart = 1'700'000'000 * kSecond;

// A line of ten bytes a second, in two streams of ten minutes, half of each in an object and half in the head.
struct VolumeFixture {
  VolumeFixture() {
    std::vector<PlainEntry> stored, fresh;
    for (int64_t i = 0; i < 600; ++i) {
      for (const char* pod : {"a", "b"}) {
        PlainEntry entry{"t", LabelSet::from({{"app", "x"}, {"pod", pod}}), kStart + i * kSecond, "0123456789", ""};
        (i < 300 ? stored : fresh).push_back(std::move(entry));
      }
    }
    fixture.add_object(stored);
    fixture.add_head(fresh);
  }
  // By the labels' text.
  std::map<std::string, std::vector<uint64_t>> volumes(std::vector<LabelMatcher> matchers, std::vector<UnixNanos> edges,
                                                       VolumeGrouping grouping) {
    std::map<std::string, std::vector<uint64_t>> out;
    auto answer = fixture.engine().volumes({"t", std::move(matchers), std::move(edges)}, grouping, 0, turn);
    REQUIRE(answer.has_value());
    for (const VolumeSeries& one : answer->found) {
      std::string text;
      for (const Label& label : one.labels) text += label.first + "=" + label.second + " ";
      out[text] = one.bytes;
    }
    return out;
  }
  VolumeTotals totals(const std::string& tenant, std::vector<LabelMatcher> matchers, int64_t seconds) {
    auto answer =
        fixture.engine().volume_totals({tenant, std::move(matchers), {kStart, kStart + seconds * kSecond}}, turn);
    REQUIRE(answer.has_value());
    CHECK(answer->warnings.empty());
    return answer->found;
  }
  QueryFixture fixture;
  std::atomic<bool> cancelled{false};
  LoneTurn turn{cancelled};
};

const std::vector<LabelMatcher> kApp = {{"app", MatchOp::kEqual, "x"}};

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: volumes are grouped by the labels asked for, from objects and the head") {
    VolumeFixture f;
    const std::vector<UnixNanos> all = {kStart, kStart + 600 * kSecond};
    using Answer = std::map<std::string, std::vector<uint64_t>>;
    CHECK(f.volumes(kApp, all, {VolumeGrouping::By::kSeries, false, {"app"}}) == Answer{{"app=x ", {12'000}}});
    CHECK(f.volumes({}, all, {VolumeGrouping::By::kSeries, true, {}}) ==
          Answer{{"app=x pod=a ", {6000}}, {"app=x pod=b ", {6000}}});
    CHECK(f.volumes(kApp, all, {VolumeGrouping::By::kLabel, true, {}}) ==
          Answer{{"app= ", {12'000}}, {"pod= ", {12'000}}});
    CHECK(f.volumes({{"app", MatchOp::kEqual, "y"}}, all, {VolumeGrouping::By::kSeries, true, {}}).empty());
  }

  TEST_CASE("query: what a bucket's edge cuts is shared by time, and nothing is lost or counted twice") {
    VolumeFixture f;
    std::vector<UnixNanos> edges;
    for (int64_t second : {0, 100, 250, 290, 310, 600}) edges.push_back(kStart + second * kSecond);
    auto series = f.volumes(kApp, edges, {VolumeGrouping::By::kSeries, false, {"app"}});
    const std::vector<uint64_t>& bytes = series.at("app=x ");
    REQUIRE(bytes.size() == 5);
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      sum += bytes[i];
      const double expected = 20.0 * static_cast<double>(edges[i + 1] - edges[i]) / kSecond;
      CHECK(static_cast<double>(bytes[i]) == doctest::Approx(expected).epsilon(0.05));
    }
    CHECK(sum == doctest::Approx(12'000).epsilon(0.001));
  }

  TEST_CASE("query: more series than allowed are refused") {
    VolumeFixture f;
    auto refused = f.fixture.engine().volumes({"t", {}, {kStart, kStart + kSecond}},
                                              {VolumeGrouping::By::kSeries, true, {}}, 1, f.turn);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "the query hit the max number of series limit (limit: 1 series)");
  }

  TEST_CASE("query: totals count streams, entries and bytes, in part where the range is a part") {
    VolumeFixture f;
    auto totals = f.totals("t", kApp, 600);
    CHECK(totals.streams == 2);
    CHECK(totals.pieces == 4);
    CHECK(totals.entries == 1200);
    CHECK(totals.bytes == 12'000);
    auto half = f.totals("t", kApp, 150);
    CHECK(half.entries == doctest::Approx(300).epsilon(0.02));
    auto none = f.totals("other", {}, 600);
    CHECK(none.streams + none.pieces + none.entries + none.bytes == 0);
  }
}
