#include <doctest/doctest.h>

#include "pipeline/stage/metric_series.h"
#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {

constexpr UnixNanos kSecond = 1'000'000'000;

std::string metric(std::string_view kind, std::string_view name, std::string_view rest) {
  return concat("[[stage.metric]]\nkind = \"", kind, "\"\nname = \"", name, "\"\n", rest, "\n");
}
std::string metrics_of(const std::string& metrics) {
  return stage("json", "expressions = { n = \"\", s = \"\", d = \"\", b = \"\" }") + stage("metrics") + metrics;
}
const Texts kLines = {R"({"n":3,"s":"a","d":"250ms"})", R"({"n":4.5,"s":"b","d":"1h"})", R"({"s":"a","b":true})",
                      R"({"n":"7","b":false})", "no json"};

std::string counted(const std::string& metrics) {
  TestPipeline p(metrics_of(metrics));
  CHECK(p.error() == "");
  p.run(kLines);
  return p.metrics();
}
std::string refused(std::string_view kind, std::string_view rest) {
  return error_of("metrics", metric(kind, "x", rest));
}

}  // namespace

TEST_CASE("metrics: counters count entries, values, matches and bytes") {
  // A value that a JSON line does not have is null, and there.
  CHECK(counted(metric("counter", "n", "action = 'inc'")) == "loki_process_custom_n{job=\"t\"} 4\n");
  CHECK(counted(metric("counter", "n", "action = 'add'\nprefix = 'my_'")) == "my_n{job=\"t\"} 14.5\n");
  CHECK(counted(metric("counter", "x", "source = 's'\nvalue = 'a'\naction = 'inc'")) ==
        "loki_process_custom_x{job=\"t\"} 2\n");
  CHECK(counted(metric("counter", "all", "match_all = true\naction = 'inc'")) ==
        "loki_process_custom_all{job=\"t\"} 5\n");
  CHECK(counted(metric("counter", "bytes", "match_all = true\ncount_entry_bytes = true\naction = 'add'")) ==
        concat("loki_process_custom_bytes{job=\"t\"} ",
               kLines[0].size() + kLines[1].size() + kLines[2].size() + kLines[3].size() + kLines[4].size(), "\n"));
  CHECK(counted(metric("counter", "all", "match_all = true\naction = 'add'")).empty());  // nothing to add
}

TEST_CASE("metrics: a counter never goes down") {
  TestPipeline p(stage("logfmt", "mapping = { n = '' }") + stage("metrics") + metric("counter", "n", "action = 'add'"));
  p.run({"n=5", "n=-3", "n=x", "n=+1e1"});
  CHECK(p.metrics() == "loki_process_custom_n{job=\"t\"} 15\n");
}

TEST_CASE("metrics: a text is a number as Go writes numbers, hexadecimal ones too, or a duration") {
  TestPipeline p(stage("logfmt", "mapping = { n = '' }") + stage("metrics") + metric("gauge", "n", "action = 'set'"));
  for (const auto& [text, value] : std::vector<std::pair<std::string, std::string>>{{"0x1p4", "16"},
                                                                                    {"-0X1P-2", "-0.25"},
                                                                                    {"+.5", "0.5"},
                                                                                    {"1e-400", "0"},
                                                                                    {"1_000", "1000"},
                                                                                    {"-Inf", "-Inf"},
                                                                                    {"1h2m3s", "3723"}}) {
    p.run({concat("n=", text)});
    CHECK(p.metrics() == concat("loki_process_custom_n{job=\"t\"} ", value, "\n"));
  }
  for (std::string_view none : {"+-7", "_1", "0x10", "9e999", "1d", "7 "}) {
    p.run({"n=42", concat("n=\"", none, "\"")});
    CHECK(p.metrics() == "loki_process_custom_n{job=\"t\"} 42\n");
  }
}

TEST_CASE("metrics: gauges take every action, durations are seconds and booleans numbers") {
  auto gauge = [](std::string_view action, std::string_view source) {
    return counted(metric("gauge", "g", concat("action = '", action, "'\nsource = '", source, "'")));
  };
  CHECK(gauge("set", "n") == "loki_process_custom_g{job=\"t\"} 7\n");
  CHECK(gauge("inc", "n") == "loki_process_custom_g{job=\"t\"} 4\n");
  CHECK(gauge("dec", "n") == "loki_process_custom_g{job=\"t\"} -4\n");
  CHECK(gauge("add", "n") == "loki_process_custom_g{job=\"t\"} 14.5\n");
  CHECK(gauge("sub", "d") == "loki_process_custom_g{job=\"t\"} -3600.25\n");
  CHECK(gauge("add", "b") == "loki_process_custom_g{job=\"t\"} 1\n");
}

TEST_CASE("metrics: histograms have their buckets, or those of Prometheus") {
  CHECK(counted(metric("histogram", "h", "source = 'd'\nbuckets = [0.25, 60, 3600]")) ==
        "loki_process_custom_h_bucket{job=\"t\",le=\"0.25\"} 1\nloki_process_custom_h_bucket{job=\"t\",le=\"60\"} 1\n"
        "loki_process_custom_h_bucket{job=\"t\",le=\"3600\"} 2\nloki_process_custom_h_bucket{job=\"t\",le=\"+Inf\"} 2\n"
        "loki_process_custom_h_sum{job=\"t\"} 3600.25\nloki_process_custom_h_count{job=\"t\"} 2\n");
  TestPipeline bounds(metrics_of(metric("histogram", "n", "buckets = [4]")));
  bounds.run(kLines, LabelSet::from({{"job", "t"}, {"le", "x"}}));
  CHECK(bounds.metrics().find("le=\"x\"") == std::string::npos);
  CHECK(bounds.metrics().find("loki_process_custom_n_bucket{job=\"t\",le=\"4\"}") != std::string::npos);
  const std::string standard = counted(metric("histogram", "n", "buckets = []"));
  CHECK(standard.find("le=\"0.005\"} 0\n") != std::string::npos);
  CHECK(standard.find("le=\"10\"} 3\n") != std::string::npos);
}

TEST_CASE("metrics: series have the labels of the entries but for those that stay inside") {
  TestPipeline p(stage("tenant", "value = 'a'") +
                 stage("static_labels", "values = { \"a b\" = \"1\", l = \"q\\\"\" }") + stage("metrics") +
                 metric("counter", "c", "match_all = true\naction = 'inc'"));
  p.run({"x"});
  p.run({"x", "y"}, LabelSet::from({{"job", "u"}}));
  CHECK(p.metrics() ==
        "loki_process_custom_c{job=\"t\",l=\"q\\\"\"} 1\nloki_process_custom_c{job=\"u\",l=\"q\\\"\"} 2\n");
}

TEST_CASE("metrics: a series that nothing is added to is shown once more and ends") {
  TestPipeline p(stage("metrics") +
                 metric("counter", "c", "match_all = true\naction = 'inc'\nmax_idle_duration = '10s'"));
  p.run({"x"});
  CHECK(!p.metrics(kNow + 9 * kSecond).empty());
  p.run_lines({{.text = "y", .read_time = kNow + 5 * kSecond}});
  CHECK(!p.metrics(kNow + 14 * kSecond).empty());
  CHECK(p.metrics(kNow + 15 * kSecond) == "loki_process_custom_c{job=\"t\"} 2\n");
  CHECK(p.metrics(kNow + 15 * kSecond).empty());
  p.run({"x"});
  CHECK(p.metrics() == "loki_process_custom_c{job=\"t\"} 1\n");
}

TEST_CASE("metrics: one metric has so many series and no more; what is left out is counted") {
  MetricSeries series("m", "", MetricType::kGauge, {}, 10 * kSecond);
  auto labels = [](size_t i) { return LabelSet::from({{"n", std::to_string(i)}}); };
  for (size_t i = 0; i < MetricSeries::kMaxSeries; ++i) REQUIRE(series.of(labels(i)) != nullptr);
  CHECK(series.of(labels(MetricSeries::kMaxSeries)) == nullptr);
  CHECK(series.of(labels(7)) != nullptr);
  MetricPage page;
  series.append(page, kNow);
  CHECK(page.text().find("skidway_process_metric_entries_left_out_total{metric=\"m\"} 1\n") != std::string::npos);
  CHECK(series.of(labels(MetricSeries::kMaxSeries)) != nullptr);  // the idle ones have ended
}

TEST_CASE("metrics: nothing is counted when a batch is built again") {
  TestPipeline p(stage("metrics") + metric("counter", "c", "match_all = true\naction = 'inc'"), StageUse::kRebuild);
  CHECK(p.run({"x"}).size() == 1);
  CHECK(p.metrics().empty());
}

TEST_CASE("metrics: a nested stage shows its metrics, and so does test --metrics") {
  TestPipeline p(
      "[[stage]]\ntype = 'match'\nselector = '{job=\"t\"}'\n[[stage.stage]]\ntype = 'metrics'\n"
      "[[stage.stage.metric]]\nkind = 'counter'\nname = 'c'\nmatch_all = true\naction = 'inc'\n");
  p.run({"x"});
  p.run({"y"}, LabelSet());
  CHECK(p.metrics() == "loki_process_custom_c{job=\"t\"} 1\n");
}

TEST_CASE("metrics: wrong metrics are refused") {
  CHECK(refused("counter", "").find("missing required attribute \"action\"") != std::string::npos);
  CHECK(refused("histogram", "").find("missing required attribute \"buckets\"") != std::string::npos);
  CHECK(refused("summary", "action = 'inc'").find("unrecognized block name \"metric.summary\"") != std::string::npos);
  CHECK(refused("counter", "action = 'sub'").find("the 'action' counter field must be either 'inc' or 'add'") !=
        std::string::npos);
  CHECK(refused("gauge", "action = 'observe'")
            .find("the 'action' gauge field must be one of the following values: [set, inc, dec, add, sub]") !=
        std::string::npos);
  CHECK(refused("gauge", "action = 'inc'\nmatch_all = true").find("unrecognized attribute name \"match_all\"") !=
        std::string::npos);
  CHECK(refused("histogram", "buckets = [1]\naction = 'inc'").find("unrecognized attribute name \"action\"") !=
        std::string::npos);
  CHECK(refused("counter", "action = 'inc'\nmax_idle_duration = '500ms'")
            .find("max_idle_duration must be greater or equal than 1s") != std::string::npos);
  CHECK(refused("counter", "action = 'inc'\nmatch_all = true\nvalue = 'x'")
            .find("a 'counter' metric supports either 'match_all' or a 'value', but not both") != std::string::npos);
  CHECK(refused("counter", "action = 'inc'\nmatch_all = true\ncount_entry_bytes = true")
            .find("the 'count_entry_bytes' counter field must be specified along with match_all set to true or action "
                  "set to 'add'") != std::string::npos);
  CHECK(refused("histogram", "buckets = [2, 1]").find("histogram buckets must be in increasing order") !=
        std::string::npos);
  CHECK(refused("counter", "action = 'inc'\nprefix = '9-'").find("invalid metric name: 9-x") != std::string::npos);
  CHECK(refused("histogram", "buckets = ['a']").find("\"a\" should be number, got string") != std::string::npos);
}

TEST_SUITE_END();
