#include <doctest/doctest.h>

#include "pipeline/stage/testing/test_pipeline.h"

using namespace pipeline;
using namespace pipeline::testing;

TEST_SUITE_BEGIN("stage");

namespace {
const LabelSet kLabels = LabelSet::from({{"app", "web"}, {"job", "t"}});
std::string made(const std::string& text) {
  return stage("template", "source = \"out\"\ntemplate = '''" + text + "'''") + stage("output", "source = \"out\"");
}
}  // namespace

TEST_CASE("template: sees extracted values, labels and the line") {
  TestPipeline p(stage("json", "expressions = {n = \"\", b = \"\", z = \"\"}") +
                 made("{{ .n }} {{ .b }} {{ .z }} {{ .app }} {{ .Value }} {{ .Entry }}"));
  CHECK(p.run({R"({"n":1.50,"b":true,"z":null})"}, kLabels) ==
        Texts{R"({app="web", job="t"} 1.5 true <no value> web <no value> {"n":1.50,"b":true,"z":null})"});
}

TEST_CASE("template: changes the value it is about") {
  TestPipeline p(stage("json", "expressions = {level = \"\"}") +
                 stage("template", "source = \"level\"\ntemplate = \"{{ .Value | ToUpper }}\"") +
                 stage("labels", "values = {level = \"\"}"));
  CHECK(p.run({R"({"level":"info"})", "{}"}) ==
        Texts{R"({job="t", level="INFO"} {"level":"info"})", R"({job="t"} {})"});
}

TEST_CASE("template: removes a value that becomes empty, also one that was a label") {
  TestPipeline p(stage("template", "source = \"app\"\ntemplate = \"\"") + made("{{ .app }}"));
  CHECK(p.run({"x"}, kLabels) == Texts{R"({app="web", job="t"} <no value>)"});
}

TEST_CASE("template: what it removed is there no longer for the stages behind it") {
  const std::string emptied =
      stage("json", "expressions = {a = \"\"}") + stage("template", "source = \"a\"\ntemplate = \"\"");
  const Texts untouched = {R"({job="t"} {"a":"x"})"};
  TestPipeline by_name(emptied + stage("drop", "source = \"a\""));
  CHECK(by_name.run({R"({"a":"x"})"}) == untouched);
  TestPipeline by_text(emptied + stage("drop", "source = \"a\"\nexpression = \"^$\""));
  CHECK(by_text.run({R"({"a":"x"})"}).empty());
  TestPipeline label(stage("template", "source = \"job\"\ntemplate = \"\"") + stage("drop", "source = \"job\""));
  CHECK(label.run({R"({"a":"x"})"}) == untouched);
  TestPipeline counted(emptied + stage("metrics", "metric = [{kind = \"counter\", name = \"a\", action = \"inc\"}]"));
  CHECK(counted.run({R"({"a":"x"})"}) == untouched);
  CHECK(counted.metrics().find("custom_a") == std::string::npos);
}

TEST_CASE("drop: a value that is null is there") {
  TestPipeline p(stage("json", "expressions = {a = \"\"}") + stage("drop", "source = \"a\""));
  CHECK(p.run({R"({"a":null})"}).empty());
}

TEST_CASE("template: leaves a value alone when it cannot be made") {
  TestPipeline p(made("{{ .app.sub }}ok"));
  CHECK(p.run({"x"}, kLabels) == Texts{R"({app="web", job="t"} x)"});
}

TEST_CASE("template: hands out everything there is where the data is read as a whole") {
  TestPipeline p(stage("json", "expressions = {n = \"\"}") + stage("template", "source = \"job\"\ntemplate = \"\"") +
                 made("{{ range $k, $v := . }}{{ $k }}={{ $v }};{{ end }}"));
  CHECK(p.run({R"({"n":1})"}, kLabels) == Texts{R"({app="web", job="t"} Entry={"n":1};app=web;n=1;)"});
}

TEST_CASE("template: names what is wrong with its configuration") {
  auto error = [](const std::string& arguments) { return TestPipeline(stage("template", arguments)).error(); };
  CHECK(error("source = \"\"\ntemplate = \"x\"").find("template source value is required") != std::string::npos);
  CHECK(error("source = \"a\"").find("missing required attribute \"template\"") != std::string::npos);
  CHECK(
      error("source = \"a\"\ntemplate = \"{{ .x\"").find("\"{{ .x\" template: pipeline_template:1: unclosed action") !=
      std::string::npos);
}

TEST_SUITE_END();
