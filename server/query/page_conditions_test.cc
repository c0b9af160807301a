#include "server/logql/page_conditions.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "server/logql/parser.h"
#include "server/query/testing/query_fixture.h"

using namespace server;

namespace {

// "texts/metadata" of each condition, with a backslash where one counts: `abcd|bcde;abcd\/level=abcd`.
std::string conditions(std::string_view stages) {
  auto expr = parse_query(pipeline::concat("{a=\"b\"} ", stages));
  REQUIRE_MESSAGE(expr, expr.error().message);
  auto pipeline = LogPipeline::compile(expr->log()->stages);
  REQUIRE(pipeline);
  std::string out;
  for (const PageCondition& condition : page_conditions(expr->log()->stages, *pipeline)) {
    if (!out.empty()) out += ';';
    std::string texts, metadata;
    for (const std::string& text : condition.texts) texts += (texts.empty() ? "" : "|") + text;
    for (const auto& [name, value] : condition.metadata)
      metadata += pipeline::concat(metadata.empty() ? "" : "|", name, "=", value);
    out += texts + (condition.or_backslash ? "\\" : "") + (metadata.empty() ? "" : "/" + metadata);
  }
  return out;
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: what line filters look for decides about pages, up to a stage that changes the line") {
    CHECK(conditions("") == "");
    CHECK(conditions("|= `needle`") == "needle");
    CHECK(conditions("|= `needle` or `other`") == "needle|other");
    CHECK(conditions("|= `needle` |= `other`") == "needle;other");
    CHECK(conditions("!= `needle` !~ `other`") == "");
    CHECK(conditions("|= ip(`10.0.0.1`)") == "");
    CHECK(conditions("|~ `time.*out`") == "time");
    CHECK(conditions("|~ `(?i)NEEDLE`") == "needle");
    CHECK(conditions("|~ `[0-9]+`") == "");
    CHECK(conditions("|= ``") == "");
    CHECK(conditions("| json |= `needle`") == "needle");
    CHECK(conditions("| line_format `{{.x}}` |= `needle`") == "");
    CHECK(conditions("| decolorize |= `needle`") == "");
    CHECK(conditions("|= `needle` | line_format `{{.x}}` |= `other`") == "needle");
  }

  TEST_CASE("query: what label filters look for decides about pages, up to a stage that changes labels") {
    CHECK(conditions("| trace=`ab[c`") == "/trace=ab[c");
    CHECK(conditions("| trace!=`abc`") == "");
    CHECK(conditions("| trace=``") == "");
    CHECK(conditions("| trace=~`a.*`") == "/trace=");
    CHECK(conditions("| trace=~`.*`") == "");
    CHECK(conditions("| trace=~`abc|`") == "");
    CHECK(conditions("| json | level=`error`") == "error\\/level=error");
    CHECK(conditions("| json | level=`error` | msg=~`.*timeout.*`") == "error\\/level=error;timeout\\/msg=");
    CHECK(conditions("| logfmt | level=`error` or level=`fatal`") == "error|fatal\\/level=error|level=fatal");
    CHECK(conditions("| logfmt | level=`error` and num > 5") == "error\\/level=error");
    CHECK(conditions("| logfmt | level=`error` or num > 5") == "");
    CHECK(conditions("| json | list=`[1,2]`") == "");
    CHECK(conditions("| json | msg=`two words`") == "");
    CHECK(conditions("| json | level_extracted=`error`") == "");
    CHECK(conditions("| json | __error__=`JSONParserErr`") == "");
    CHECK(conditions("| label_format level=other | level=`error`") == "");
    CHECK(conditions("| drop level | level=`error`") == "");
    CHECK(conditions("| unpack | level=`error`") == "");
  }
}
