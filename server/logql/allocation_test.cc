// No stage allocates for an entry once its buffers have grown and its labels have been seen.
#include <doctest/doctest.h>
#include <string>

#include "pipeline/base/concat.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/parser.h"
#include "server/logql/testing/allocation_count.h"

using namespace server;

namespace {

std::string encoded(const std::vector<MetadataPair>& pairs) {
  std::string out;
  append_metadata(out, pairs);
  return out;
}

// Allocations for a thousand entries, after as many.
size_t allocations_of(const std::string& stages, const std::vector<std::string>& lines) {
  auto expr = parse_query(pipeline::concat(R"(sum_over_time({app="x"} )", stages, " [1m])"));
  if (!expr) expr = parse_query(pipeline::concat(R"({app="x"} )", stages));
  REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
  const auto* range = std::get_if<RangeAggregation>(&expr->node);
  const LogExpr& log = range ? range->range.log : std::get<LogExpr>(expr->node);
  auto compiled = LogPipeline::compile(log.stages, {}, range ? &*range->range.unwrap : nullptr);
  REQUIRE_MESSAGE(compiled.has_value(), compiled.error().message);
  LabelResults results;
  PipelineRun run(*compiled, results);
  const LabelSet stream = LabelSet::from({{"app", "x"}, {"env", "prod"}});
  const std::vector<std::string> metadata = {encoded({{"detected_level", "info"}}),
                                             encoded({{"app", "y"}, {"detected_level", "error"}})};
  run.begin_stream(stream);
  size_t before = 0;
  for (int i = 0; i < 2000; ++i) {
    if (i == 1000) before = allocation_count();
    const auto at = static_cast<size_t>(i);
    if (run.process(i, lines[at % lines.size()], MetadataView(metadata[at / 3 % 2]))) run.labels();
  }
  return allocation_count() - before;
}

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("pipeline: entries cost no allocation") {
    const std::vector<std::string> json = {
        R"({"level":"info","took":"15ms","size":"1.5KiB","n":12.5,"path":"/a\/b","user":{"name":"ann"},"app":"z"})",
        R"({"level":"error","took":"1.5s","size":"20kB","n":3,"path":"/c","user":{"name":"bob"},"app":"z"})", "odd"};
    const std::vector<std::string> logfmt = {R"(level=info took=15ms size=1KiB n=12 msg="said \"hi\"" a.b=c)",
                                             "level=error took=2s size=1kB n=3 msg=plain"};
    const std::vector<std::string> access = {"GET /index.html 200 12ms 10.0.0.1", "POST /form 404 3ms 192.168.0.7"};
    for (const char* stages :
         {"|= `info`", "| json", "| json | level=`info`", "| json | level=~`in.*|err`",
          "| json | n > 5 and took > 10ms", "| json | size >= 1kB or level!=`x`", "| json who=`user.name`, path",
          "| json | line_format `{{.level}} {{.path}}`", "| json | drop level, app", "| json | keep level",
          "| json | label_format l=level, p=path", "| json | unwrap n", "| json | unwrap duration(took)",
          "| json | unwrap bytes(size)", "| json | level=`error` | unwrap n"}) {
      CAPTURE(stages);
      CHECK(allocations_of(stages, json) == 0);
    }
    for (const char* stages : {"| logfmt", "| logfmt --keep-empty | n > 5", "| logfmt l=`level`, m=`msg`",
                               "| logfmt | unwrap n", "| logfmt | level=`error` | unwrap duration(took)"}) {
      CAPTURE(stages);
      CHECK(allocations_of(stages, logfmt) == 0);
    }
    for (const char* stages :
         {"| pattern `<method> <path> <status> <_>`", "| regexp `(?P<method>\\w+) (?P<path>\\S+) (?P<status>\\d+)`",
          "| pattern `<_> <_> <status> <_> <ip>` | ip=ip(`10.0.0.0/8`)", "|= ip(`10.0.0.1`)", "| decolorize"}) {
      CAPTURE(stages);
      CHECK(allocations_of(stages, access) == 0);
    }
    CHECK(allocation_count() > 0);
    const std::vector<std::string> packed = {R"({"pod":"p","_entry":"level=warn a=\"b\""})"};
    CHECK(allocations_of("| unpack", packed) == 0);
    CHECK(allocations_of("| unpack | logfmt", packed) == 0);
  }

  TEST_CASE("pipeline: templates cost no allocation") {
    const std::vector<std::string> lines = {R"({"level":"info","took":"15ms"})", R"({"level":"error","took":"2s"})"};
    for (const char* stages : {"| json | line_format `{{.level | ToUpper}} {{if .took}}{{.took}}{{end}}`",
                               "| json | label_format l=`{{.level | lower}}`, t=`{{.took}}`"}) {
      CAPTURE(stages);
      CHECK(allocations_of(stages, lines) == 0);
    }
  }
}
