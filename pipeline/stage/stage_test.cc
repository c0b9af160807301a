// The stages one by one, from configuration to entries.
#include <doctest/doctest.h>

#include "pipeline/stage/stage_table.h"
#include "pipeline/stage/test_run.h"
#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

TEST_CASE("cri: whole lines get their time, stream and content; others pass") {
  TestPipeline p(stage("cri"));
  CHECK(p.run({"2026-11-01T10:00:00.5Z stdout F hello", "2026-11-01T10:00:01Z stderr F", "no cri", "bad stdout F x"}) ==
        Texts{R"(2026-11-01T10:00:00.5Z {job="t", stream="stdout"} hello)",
              R"(2026-11-01T10:00:01Z {job="t", stream="stderr"} )", R"({job="t"} no cri)",
              R"({job="t", stream="stdout"} x)"});
  CHECK_FALSE(p.open_from().has_value());
}

TEST_CASE("cri: joins partial lines per stream, with all their places, across batches") {
  TestPipeline p(stage("cri"));
  CHECK(p.run({"2026-11-01T10:00:00Z stdout P a1 ", "2026-11-01T10:00:00Z stderr P e1 "}).empty());
  CHECK(p.open_from() == 0);
  CHECK(p.run({"2026-11-01T10:00:01Z stdout P a2 ", "2026-11-01T10:00:02Z stdout F a3",
               "2026-11-01T10:00:02Z stdout F whole"}) ==
        Texts{R"(2026-11-01T10:00:02Z {job="t", stream="stdout"} a1 a2 a3)",
              R"(2026-11-01T10:00:02Z {job="t", stream="stdout"} whole)"});
  CHECK(p.origins(0) == "[0,34)[68,102)[102,135)");
  CHECK(p.origins(1) == "[135,171)");
  CHECK(p.open_from() == 34);
  p.table().clear();  // ids do not outlive their table; open lines do
  CHECK(p.run({"2026-11-01T10:00:03Z stderr F e2"}) ==
        Texts{R"(2026-11-01T10:00:03Z {job="t", stream="stderr"} e1 e2)"});
  CHECK_FALSE(p.open_from().has_value());
}

TEST_CASE("cri: the ranges of a joined entry give the same entry again with a fresh state") {
  const Texts lines = {"2026-11-01T10:00:00Z stdout P a", "2026-11-01T10:00:00Z stderr F x",
                       "2026-11-01T10:00:01Z stdout F b"};
  TestPipeline first(stage("cri")), again(stage("cri"));
  Texts whole = first.run(lines);
  REQUIRE(whole.size() == 2);
  CHECK(again.run({lines[0], lines[2]}) == Texts{whole[1]});
  CHECK(again.flush().empty());
}

TEST_CASE("cri: what is open at the end of the input is handed on") {
  TestPipeline p(stage("cri") + stage("static_labels", "values = { a = \"b\" }"));
  CHECK(p.run({"2026-11-01T10:00:00Z stdout P cut "}).empty());
  CHECK(p.flush() == Texts{R"(2026-11-01T10:00:00Z {a="b", job="t", stream="stdout"} cut )"});
  CHECK(p.origins(0) == "[0,35)");
  CHECK(p.flush().empty());
  CHECK_FALSE(p.open_from().has_value());
}

TEST_CASE("cri: too many open lines are passed on in their place, a line that never ends too") {
  TestPipeline p(stage("cri", "max_partial_lines = 1"));
  CHECK(p.run({"2026-11-01T10:00:00Z stdout P a", "2026-11-01T10:00:01Z stderr P b",
               "2026-11-01T10:00:02Z stderr F c"}) == Texts{R"(2026-11-01T10:00:00Z {job="t", stream="stdout"} a)",
                                                            R"(2026-11-01T10:00:02Z {job="t", stream="stderr"} bc)"});
  CHECK(p.drops().cri_partials_flushed == 1);
  TestPipeline endless(stage("cri"));
  std::string piece = "2026-11-01T10:00:00Z stdout P " + std::string(1 << 20, 'x');
  CHECK(endless.run({piece, piece, piece, piece}).empty());
  CHECK(endless.run({piece}).size() == 1);
  CHECK(endless.drops().cri_partials_flushed == 1);
}

TEST_CASE("cri: extracted values are there for whoever reads them") {
  TestPipeline p(stage("cri") + stage("labels", "values = { flags = \"\", t = \"time\" }"));
  CHECK(p.run({"2026-11-01T10:00:00Z stdout F x"}) ==
        Texts{R"(2026-11-01T10:00:00Z {flags="F", job="t", stream="stdout", t="2026-11-01T10:00:00Z"} x)"});
  CHECK(TestPipeline(stage("cri")).run({"2026-11-01T10:00:00Z stdout F x"}).size() == 1);
}

TEST_CASE("docker: takes the log out of its JSON") {
  TestPipeline p(stage("docker"));
  CHECK(p.run({R"({"log":"a\n","stream":"stdout","time":"2026-11-01T10:00:00Z"})", "x"}) ==
        Texts{"2026-11-01T10:00:00Z {job=\"t\", stream=\"stdout\"} a\n", R"({job="t"} x)"});
}

TEST_CASE("json, labels, output: values by their types") {
  TestPipeline p(stage("json", "expressions = { level = \"\", n = \"a.n\", o = \"a\", nil = \"nope\", t = \"ok\" }") +
                 stage("labels", "values = { level = \"\", n = \"\", nil = \"\", t = \"\" }") +
                 stage("output", "source = \"o\""));
  CHECK(p.run({R"({"level":"warn","a":{"n":1e3},"ok":true})", "plain", "[1]"}) ==
        Texts{R"({job="t", level="warn", n="1000", t="true"} {"n":1000})", R"({job="t"} plain)", R"({job="t"} [1])"});
  TestPipeline source(stage("json", "expressions = { inner = \"\" }") +
                      stage("json", "expressions = { x = \"\" }\nsource = \"inner\"") +
                      stage("labels", "values = { x = \"\" }"));
  CHECK(source.run({R"({"inner":"{\"x\":5}"})"}) == Texts{R"({job="t", x="5"} {"inner":"{\"x\":5}"})"});
  TestPipeline strict(stage("json", "expressions = { a = \"\" }\ndrop_malformed = true"));
  CHECK(strict.run({"{}", "{", "null"}) == Texts{R"({job="t"} {})", R"({job="t"} null)"});
}

TEST_CASE("regex: named groups, also as labels") {
  TestPipeline p(stage("regex", "expression = '(?P<a>\\w+) (?:(?P<b>\\d+)|x)'\nlabels_from_groups = true"));
  CHECK(p.run({"foo 12", "foo x", "-"}) ==
        Texts{R"({a="foo", b="12", job="t"} foo 12)", R"({a="foo", b="", job="t"} foo x)", R"({job="t"} -)"});
}

TEST_CASE("labels: static, dropped, kept") {
  TestPipeline p(stage("static_labels", "values = { a = \"1\", e = \"\" }") +
                 stage("label_drop", "values = [\"job\", \"none\"]"));
  CHECK(p.run({"x"}) == Texts{R"({a="1"} x)"});
  TestPipeline keep(stage("label_keep", "values = [\"b\"]"));
  CHECK(keep.run({"x"}, LabelSet::from({{"a", "1"}, {"b", "2"}})) == Texts{R"({b="2"} x)"});
}

TEST_CASE("timestamp: parsed times, fudged duplicates and failures") {
  TestPipeline p(stage("regex", "expression = '^(?P<t>\\S+)'") +
                 stage("timestamp", "source = \"t\"\nformat = \"Unix\"\nfallback_formats = [\"2006-01-02\"]"));
  CHECK(p.run({"x", "100", "100", "bad", "100", "2024-05-06"}) ==
        Texts{R"({job="t"} x)", R"(1970-01-01T00:01:40Z {job="t"} 100)",
              R"(1970-01-01T00:01:40.000000001Z {job="t"} 100)", R"(1970-01-01T00:01:40.000000002Z {job="t"} bad)",
              R"(1970-01-01T00:01:40.000000003Z {job="t"} 100)", R"(2024-05-06T00:00:00Z {job="t"} 2024-05-06)"});
  TestPipeline plain(
      stage("regex", "expression = '^(?P<t>\\S+)'") +
      stage(
          "timestamp",
          "source = \"t\"\nformat = \"Unix\"\naction_on_failure = \"skip\"\naction_on_duplicate_timestamp = \"keep\""));
  CHECK(plain.run({"100", "100", "bad"}) ==
        Texts{R"(1970-01-01T00:01:40Z {job="t"} 100)", R"(1970-01-01T00:01:40Z {job="t"} 100)", R"({job="t"} bad)"});
}

TEST_CASE("drop: all conditions must hold, drops are counted by reason") {
  TestPipeline p(stage("drop", "expression = \"debug\"\nlonger_than = \"8B\"\ndrop_counter_reason = \"noise\""));
  CHECK(p.run({"debug it all", "debug", "information"}) == Texts{R"({job="t"} debug)", R"({job="t"} information)"});
  REQUIRE(p.drops().counts().size() == 1);
  CHECK(p.drops().counts()[0].reason == "noise");
  CHECK(p.drops().counts()[0].lines == 1);
  CHECK(p.drops().counts()[0].bytes == 12);
  TestPipeline old(stage("cri") + stage("drop", "older_than = \"24h\""));
  CHECK(old.run({"2026-11-01T10:00:00Z stdout F old", "2026-11-20T10:00:00Z stdout F new"}).size() == 1);
  TestPipeline value(stage("regex", "expression = '^(?P<a>\\w)(?P<b>\\w)?$'") +
                     stage("drop", "source = \"a,b\"\nvalue = \"x;y\""));
  CHECK(value.run({"xy", "x", "xyz"}) == Texts{R"({job="t"} x)", R"({job="t"} xyz)"});
  CHECK(
      stage_metrics_text(p.stages(), kNow, p.drops()).find("loki_process_dropped_lines_total{reason=\"noise\"} 1\n") !=
      std::string::npos);
}

TEST_CASE("match: nested stages see only what matches, order stays") {
  TestPipeline p(R"(
[[stage]]
type = "match"
selector = '{job="t"} |= "GET"'
  [[stage.stage]]
  type = "static_labels"
  values = { hit = "1" }
  [[stage.stage]]
  type = "drop"
  expression = "/healthz"
[[stage]]
type = "match"
selector = '{hit=""}'
action = "drop"
drop_counter_reason = "other"
)");
  CHECK(p.error() == "");
  CHECK(p.run({"GET /a", "POST /b", "GET /healthz", "GET /c"}) ==
        Texts{R"({hit="1", job="t"} GET /a)", R"({hit="1", job="t"} GET /c)"});
  CHECK(p.drops().lines() == 2);
}

TEST_CASE("match: partial lines inside, and the labels of now among the extracted values") {
  TestPipeline p(R"(
[[stage]]
type = "static_labels"
values = { app = "late" }
[[stage]]
type = "match"
selector = '{app="late"}'
  [[stage.stage]]
  type = "cri"
  max_partial_lines = 1
  [[stage.stage]]
  type = "labels"
  values = { copy = "app" }
[[stage]]
type = "labels"
values = { streams = "stream" }
)");
  CHECK(p.error() == "");
  CHECK(p.run({"2026-11-01T10:00:00Z stdout P a", "2026-11-01T10:00:01Z stderr P b"}) ==
        Texts{R"(2026-11-01T10:00:00Z {app="late", copy="late", job="t", stream="stdout", streams="stdout"} a)"});
  CHECK(p.open_from() == 32);
  CHECK(p.flush() ==
        Texts{R"(2026-11-01T10:00:01Z {app="late", copy="late", job="t", stream="stderr", streams="stderr"} b)"});
}

TEST_CASE("match: what its stages see as extracted values does not get into the labels a batch is rebuilt from") {
  TestPipeline p(R"(
[[stage]]
type = "match"
selector = '{job="t"}'
  [[stage.stage]]
  type = "static_labels"
  values = { level = "info", app = "web" }
  [[stage.stage]]
  type = "match"
  selector = '{level="info"}'
    [[stage.stage.stage]]
    type = "labels"
    values = { seen = "level" }
    [[stage.stage.stage]]
    type = "multiline"
    firstline = '^[A-Z]'
[[stage]]
type = "match"
selector = '{level="info", seen=""}'
action = "drop"
[[stage]]
type = "match"
selector = '{app="web"}'
  [[stage.stage]]
  type = "template"
  source = "whole"
  template = "{{ .app }}/{{ .seen }}"
  [[stage.stage]]
  type = "labels"
  values = { whole = "" }
)");
  CHECK(p.error() == "");
  const Texts expected = {"{app=\"web\", job=\"t\", level=\"info\", seen=\"info\", whole=\"web/info\"} One\nof two",
                          "{app=\"web\", job=\"t\", level=\"info\", seen=\"info\", whole=\"web/info\"} Two"};
  REQUIRE(p.run({"One", "of two", "Two", "Three"}) == expected);
  for (size_t row = 0; row < expected.size(); ++row) {
    CHECK(p.table().text(p.batch().first_labels[row]) == "{job=\"t\"}");
    CHECK(p.rebuild(row) == Texts{expected[row]});
  }
}

TEST_CASE("stages: faults are told with their place and words") {
  CHECK(error_of("cry") == "t.toml:2:8: unrecognized block name \"stage.cry\"; did you mean \"cri\"?");
  CHECK(error_of("cri", "max_partial_lines = 0") == "t.toml:1:1: max_partial_lines must be greater than 0");
  CHECK(error_of("cri", "max_lines = 1").find("unrecognized attribute name \"max_lines\"") != std::string::npos);
  CHECK(error_of("regex").find("missing required attribute \"expression\"") != std::string::npos);
  CHECK(error_of("regex", "expression = '('") ==
        "t.toml:1:1: could not compile regular expression: error parsing regexp: missing closing ): `(`");
  CHECK(error_of("json") == "t.toml:1:1: JMES expressions or regex is required");
  CHECK(
      error_of("json", "expressions = { a = \"b.\" }").find("SyntaxError: Expected identifier, lbracket, or lbrace") !=
      std::string::npos);
  CHECK(error_of("drop").find("must contain at least one of") != std::string::npos);
  CHECK(error_of("timestamp", "source = \"t\"\nformat = \"Unix\"\nlocation = \"Mars\"") ==
        "t.toml:1:1: invalid location specified: %v: unknown time zone Mars");
  CHECK(error_of("labels", "values = { a = [] }") != "");
  CHECK(TestPipeline("[[stage]]\nx = 1\n").error().find("missing required attribute \"type\"") != std::string::npos);
}

TEST_CASE("stages: empty arguments are the default where upstream takes them so") {
  const std::string timestamp = "source = 't'\nformat = 'Unix'\n";
  CHECK(error_of("timestamp", timestamp + "action_on_failure = ''\naction_on_duplicate_timestamp = ''") == "");
  CHECK(error_of("timestamp", timestamp + "action_on_failure = 'x'") != "");
  CHECK(error_of("match", "selector = '{a=\"b\"}'\naction = ''").find("at least one additional stage") !=
        std::string::npos);
  CHECK(error_of("labels", "values = {}") == "");
  CHECK(error_of("labels", "values = { a = '' }\nsource_type = 'bogus'") ==
        "t.toml:1:1: \"bogus\" unknown source_type: bogus");
  CHECK(error_of("labels", "values = { a = '' }\nsource_type = 'line'").find("invalid labels source_type: line.") !=
        std::string::npos);
}

TEST_CASE("match: selectors are refused as upstream words it") {
  auto selector = [](std::string_view text) {
    return error_of("match", concat("selector = '", text, "'\naction = \"drop\""));
  };
  constexpr std::string_view kPrefix =
      "t.toml:1:1: invalid selector syntax for match stage: parse error at line 1, col ";
  CHECK(selector("{}") == concat(kPrefix, "2: syntax error: unexpected }, expecting IDENTIFIER"));
  CHECK(selector("{a=b}") == concat(kPrefix, "4: syntax error: unexpected IDENTIFIER, expecting STRING"));
  CHECK(selector("{a=\"b\"") == concat(kPrefix, "7: syntax error: unexpected $end, expecting } or ,"));
  CHECK(selector("{a=\"b\",}") == concat(kPrefix, "8: syntax error: unexpected }, expecting IDENTIFIER"));
  CHECK(selector("{1a=\"c\"}") ==
        concat(kPrefix, "3: syntax error: unexpected IDENTIFIER, expecting = or != or =~ or !~"));
  CHECK(selector("{é=\"ü\" x}") == concat(kPrefix, "8: syntax error: unexpected IDENTIFIER, expecting } or ,"));
  CHECK(selector("{a=\"b\"} /* c */ |= \"x\" // d") == "");
  CHECK(selector("{a=~\"(\"}") == "t.toml:1:1: error parsing regexp: missing closing ): `(`");
  CHECK(error_of("match", "selector = '{a=\"b\"}'").find("requires at least one additional stage") !=
        std::string::npos);
  CHECK(error_of("match", "selector = '{a=\"b\"}'\naction = \"maybe\"").find("should be 'keep' or 'drop'") !=
        std::string::npos);
}

TEST_CASE("stage table: every argument has a help text and a readable default") {
  for (const StageKind& kind : stage_kinds()) {
    CHECK_MESSAGE(!kind.help.empty(), kind.name);
    for (const StageArgument& argument : kind.arguments) {
      CHECK_MESSAGE(!argument.help.empty(), argument.name);
      CHECK_MESSAGE(!argument_type_name(argument.type).empty(), argument.name);
    }
  }
}

TEST_CASE("test run: JSON lines through stages, relabel rules, globs and times") {
  auto lines = [](Texts texts) {
    auto at = std::make_shared<size_t>(0);
    return [texts, at]() -> std::optional<std::string> {
      if (*at == texts.size()) return std::nullopt;
      return texts[(*at)++];
    };
  };
  std::string text;
  auto out = [&](std::string_view t) { text += t; };
  auto document = *ConfigDocument::parse(stage("cri"), "t.toml");
  auto stages = StageList::build(document.root(), "stage");
  DropCounts drops;
  auto ran = test_stages(
      *stages, kNow,
      lines({R"({"labels":{"a":""},"line":"2026-11-01T10:00:00Z stdout F x","structured_metadata":{"m":"v"}})", ""}),
      out, drops);
  REQUIRE(ran.has_value());
  CHECK(text ==
        "{\"timestamp\":\"2026-11-01T10:00:00Z\",\"labels\":{\"a\":\"\",\"stream\":\"stdout\"},\"line\":\"x\","
        "\"structured_metadata\":{\"m\":\"v\"}}\n");
  CHECK(test_stages(*stages, kNow, lines({"x"}), out, drops).error().message == "line 1: not a JSON object");
  text.clear();
  std::vector<RelabelRule> rules;
  rules.push_back(*RelabelRule::compile({.source_labels = {"a"}, .regex = "x", .target_label = {}, .action = "drop"}));
  REQUIRE(
      test_relabel(RelabelRules(std::move(rules)), lines({R"({"labels":{"a":"x"}})", R"({"labels":{"a":"y"}})"}), out)
          .has_value());
  CHECK(text == "{\"dropped\":true}\n{\"labels\":{\"a\":\"y\"}}\n");
  text.clear();
  REQUIRE(test_glob({"/a/*"}, {"**/c"}, lines({"/a/b", "/a/c", "/b"}), out).has_value());
  CHECK(text == "/a/b\n");
  text.clear();
  REQUIRE(test_time("2006-01-02", "", kNow, lines({"2024-05-06", "x"}), out).has_value());
  CHECK(text == "1714953600000000000\nerror\n");
  CHECK_FALSE(test_time("Unix", "Mars", kNow, lines({}), out).has_value());
}

TEST_SUITE_END();
