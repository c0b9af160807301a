#include <charconv>
#include <doctest/doctest.h>
#include <string>

#include "pipeline/base/concat.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/parser.h"

using namespace server;
using pipeline::concat;

namespace {

// "dropped", or the sample and its labels: `2.5 {a="b"}`. `query` is a range aggregation, or sum over one.
std::string sample(const std::string& query, const std::string& line, std::string_view stream_text = R"({app="foo"})") {
  auto expr = parse_query(query);
  REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
  const auto* outer = std::get_if<VectorAggregation>(&expr->node);
  const auto& range = std::get<RangeAggregation>(outer ? outer->inner->node : expr->node);
  const Unwrap* unwrap = range.range.unwrap ? &*range.range.unwrap : nullptr;
  auto compiled = LogPipeline::compile(range.range.log.stages, label_use(outer, range), unwrap);
  if (!compiled) return compiled.error().message;
  LabelResults results;
  PipelineRun run(*compiled, results);
  const LabelSet stream = *LabelSet::parse(stream_text);
  run.begin_stream(stream);
  if (!run.process(0, line, {})) return "dropped";
  const double value = run.value();
  const LabelResults::Id id = run.labels();
  CHECK(run.value() == value);
  char number[32];
  const auto written = std::to_chars(number, number + sizeof number, value);
  return concat(std::string_view(number, static_cast<size_t>(written.ptr - number)), " ", results.at(id).all().text());
}

std::string of_sum(std::string_view stages, const std::string& line) {
  return sample(concat(R"(sum_over_time({app="foo"} )", stages, " [1m])"), line);
}

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("unwrap: the number of a label is the sample, and the label is gone") {
    CHECK(of_sum("| logfmt | unwrap v", "v=2.5 a=b") == R"(2.5 {a="b", app="foo"})");
    CHECK(of_sum("| json | unwrap v", R"({"v":1e3,"a":"b"})") == R"(1000 {a="b", app="foo"})");
    CHECK(of_sum("| logfmt | v > 2 | unwrap v", "v=2.5 a=b") == R"(2.5 {a="b", app="foo"})");
    CHECK(of_sum("| logfmt | v > 3 | unwrap v", "v=2.5 a=b") == "dropped");
    CHECK(sample(R"(sum_over_time({app="foo"} | unwrap shard [1m]))", "x", R"({app="foo", shard="7"})") ==
          R"(7 {app="foo"})");
  }

  TEST_CASE("unwrap: an entry without the label is no sample, whatever its error") {
    CHECK(of_sum("| logfmt | unwrap v", "a=b") == "dropped");
    CHECK(of_sum("| logfmt --keep-empty | unwrap v", "v= a=b") == "dropped");
    CHECK(of_sum("| json | unwrap v", "garbage") == "dropped");
  }

  TEST_CASE("unwrap: conversions") {
    CHECK(of_sum("| logfmt | unwrap duration(v)", "v=1m500ms") == R"(60.5 {app="foo"})");
    CHECK(of_sum("| logfmt | unwrap duration_seconds(v)", "v=-90s") == R"(-90 {app="foo"})");
    CHECK(of_sum("| logfmt | unwrap bytes(v)", "v=1.5KiB") == R"(1536 {app="foo"})");
  }

  TEST_CASE("unwrap: a text that does not convert is 0 with an error, which a filter behind it may drop") {
    CHECK(
        of_sum("| logfmt | unwrap v", "v=x") ==
        R"(0 {__error__="SampleExtractionErr", __error_details__="strconv.ParseFloat: parsing \"x\": invalid syntax", )"
        R"(app="foo", v="x"})");
    CHECK(of_sum(R"(| logfmt | unwrap v | __error__="")", "v=x") == "dropped");
    CHECK(of_sum(R"(| logfmt | unwrap v | __error__="")", "v=1") == R"(1 {app="foo"})");
    CHECK(of_sum("| logfmt | unwrap duration(v)", "v=1d").starts_with(R"(0 {__error__="SampleExtractionErr")"));
    CHECK(of_sum("| logfmt | unwrap bytes(v)", "v=x").starts_with(R"(0 {__error__="SampleExtractionErr")"));
  }

  TEST_CASE("unwrap: filters behind it see the label") {
    CHECK(of_sum("| logfmt | unwrap v | v > 5 | a=\"b\"", "v=6 a=b") == R"(6 {a="b", app="foo"})");
    CHECK(of_sum("| logfmt | unwrap v | v > 5", "v=5 a=b") == "dropped");
    CHECK(of_sum(R"(| logfmt | unwrap v | a=ip("x"))", "v=5") ==
          R"(parse error : stage '| a=ip("x")' : ip: invalid pattern: "x")");
  }

  TEST_CASE("unwrap: groupings decide about the labels, and by may name the unwrapped one") {
    const std::string line = "v=2 a=b c=d";
    auto grouped = [&](std::string_view op, std::string_view grouping) {
      return sample(concat(op, R"(({app="foo"} | logfmt | unwrap v [1m]) )", grouping), line);
    };
    CHECK(grouped("max_over_time", "by (a)") == R"(2 {a="b"})");
    CHECK(grouped("max_over_time", "by (a, v)") == R"(2 {a="b", v="2"})");
    CHECK(grouped("max_over_time", "by ()") == "2 {}");
    CHECK(grouped("max_over_time", "without (a)") == R"(2 {app="foo", c="d"})");
    CHECK(grouped("max_over_time", "without ()") == R"(2 {a="b", app="foo", c="d"})");
    auto summed = [&](std::string_view grouping, std::string_view op) {
      return sample(concat("sum ", grouping, " (", op, R"(({app="foo"} | logfmt | unwrap v [1m])))"), line);
    };
    CHECK(summed("by (v)", "sum_over_time") == R"(2 {v="2"})");
    CHECK(summed("by (v)", "rate") == R"(2 {v="2"})");
    CHECK(summed("by (v)", "max_over_time") == R"(2 {a="b", app="foo", c="d"})");
    CHECK(summed("", "sum_over_time") == "2 {}");
    CHECK(summed("without (c)", "sum_over_time") == R"(2 {a="b", app="foo"})");
  }

  TEST_CASE("unwrap: only what is asked for is extracted, so what follows in the line is no error") {
    CHECK(sample(R"(sum(sum_over_time({app="foo"} | json | unwrap v [1m])))", R"({"v":1,"b")") == "1 {}");
    CHECK(sample(R"(sum_over_time({app="foo"} | json | unwrap v [1m]))", R"({"v":1,"b")")
              .starts_with(R"(1 {__error__="JSONParserErr")"));
  }
}
