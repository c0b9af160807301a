#include "server/logql/log_pipeline.h"

#include <doctest/doctest.h>
#include <string>

#include "server/logql/implied_text.h"
#include "server/logql/parser.h"

using namespace server;
using pipeline::Label;

namespace {

using Labels = std::vector<Label>;

// The stages of {a="x"} <suffix>.
std::vector<Stage> stages(std::string_view suffix) {
  auto expr = parse_query("{a=\"x\"} " + std::string(suffix));
  REQUIRE_MESSAGE(expr.has_value(), expr.error().message);
  return std::get<LogExpr>(expr->node).stages;
}

std::string compile_error(std::string_view suffix) {
  auto compiled = LogPipeline::compile(stages(suffix));
  return compiled ? std::string() : compiled.error().message;
}

struct Entry {
  Labels stream = {{"app", "foo"}};
  Labels metadata = {};
  std::string line = {};
};

// "dropped", or the line and all labels behind the stages: `line {a="b"}`.
std::string run(std::string_view suffix, const Entry& entry, LabelUse use = {}) {
  auto compiled = LogPipeline::compile(stages(suffix), std::move(use));
  REQUIRE_MESSAGE(compiled.has_value(), compiled.error().message);
  LabelResults results;
  PipelineRun pipeline_run(*compiled, results);
  const LabelSet stream = LabelSet::from(entry.stream);
  std::string encoded;
  append_metadata(encoded, std::vector<MetadataPair>(entry.metadata.begin(), entry.metadata.end()));
  pipeline_run.begin_stream(stream);
  if (!pipeline_run.process(0, entry.line, MetadataView(encoded))) return "dropped";
  std::string out(pipeline_run.line());
  const LabelResults::Id id = pipeline_run.labels();
  CHECK(pipeline_run.labels() == id);
  return out + " " + results.at(id).all().text();
}

// The labels alone.
std::string labels(std::string_view suffix, const Entry& entry, LabelUse use = {}) {
  const std::string out = run(suffix, entry, std::move(use));
  return out.starts_with(entry.line + " ") ? out.substr(entry.line.size() + 1) : out;
}

const Entry kJson{
    {{"app", "foo"}, {"lvl", "info"}},
    {{"sm1", "meta"}, {"app", "smapp"}},
    R"({"a":"1","b":{"c":2.50,"d e":true,"arr":[1],"n":null,"9x":"z"},"app":"inner","dup":1,"dup":2,"9n":1e3,"emp":"","lvl":{"k":"v"},"sm1":"parsed"})"};
const Entry kLogfmt{{{"app", "foo"}}, {}, R"(level=info msg="hello \"w\" x" bare k= app=zz a.b=c 1x=2 dup=a dup=b)"};

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("pipeline: structured metadata makes way for stream labels") {
    CHECK(labels("", kJson) == R"({app="foo", app_extracted="smapp", lvl="info", sm1="meta"})");
  }

  TEST_CASE("pipeline: json takes the members of the line") {
    CHECK(labels("| json", kJson) ==
          R"({_9n="1e3", a="1", app="foo", app_extracted="inner", b_9x="z", b_c="2.50", b_d_e="true", dup="1", )"
          R"(emp="", lvl="info", lvl_k="v", sm1="meta", sm1_extracted="parsed"})");
    CHECK(labels(R"(| json c="b.c", arr="b.arr", nul="b.n", miss="zz", app="app")", kJson) ==
          R"({app="foo", app_extracted="inner", arr="[1]", c="2.50", lvl="info", miss="", nul="", sm1="meta"})");
    CHECK(labels("| drop lvl | json", {{{"lvl", "x"}, {"z", "y"}}, {}, R"({"lvl":"k"})"}) ==
          R"({lvl_extracted="k", z="y"})");
  }

  TEST_CASE("pipeline: json says what is wrong with a line and keeps what came before") {
    CHECK(labels("| json", {{{"app", "foo"}}, {}, R"({"a":1,"b")"}) ==
          R"({__error__="JSONParserErr", __error_details__="Malformed JSON error", a="1", app="foo"})");
    CHECK(labels("| json", {{{"app", "foo"}}, {}, "nope"}) ==
          R"({__error__="JSONParserErr", __error_details__="Value looks like object, but can't find closing '}' )"
          R"(symbol", app="foo"})");
    CHECK(labels("| json a", {{{"app", "foo"}}, {}, " {}"}) == R"({__error__="JSONParserErr", app="foo"})");
    CHECK(labels("| json a", {{{"app", "foo"}}, {}, ""}) == R"({app="foo"})");
    CHECK(labels("| json a", {{{"app", "foo"}}, {}, R"({"a":tru})"}).starts_with(R"({__error__="JSONParserErr")"));
    CHECK(labels("| json", {{{"app", "foo"}}, {}, R"({"k":"\ud800 lone"})"}) == R"({app="foo", k=""})");
  }

  TEST_CASE("pipeline: logfmt takes the pairs of the line") {
    CHECK(labels("| logfmt", kLogfmt) ==
          R"({_1x="2", a_b="c", app="foo", app_extracted="zz", dup="a", level="info", msg="hello \"w\" x"})");
    CHECK(labels("| logfmt --keep-empty", kLogfmt) ==
          R"({_1x="2", a_b="c", app="foo", app_extracted="zz", bare="", dup="a", k="", level="info", )"
          R"(msg="hello \"w\" x"})");
    CHECK(labels(R"(| logfmt lv="level", dup, nope)", kLogfmt) == R"({app="foo", dup="b", lv="info", nope=""})");
    const Entry torn{{{"app", "foo"}}, {}, "a=1 b\"c d=2"};
    CHECK(labels("| logfmt", torn) == R"({a="1", app="foo", d="2"})");
    CHECK(labels("| logfmt --strict", torn) ==
          R"({__error__="LogfmtParserErr", __error_details__="logfmt syntax error at pos 6 : unexpected '\"'", )"
          R"(a="1", app="foo"})");
    CHECK(labels("| logfmt", {{{"app", "foo"}}, {}, "a=\xff"}) == R"({a=" ", app="foo"})");
    CHECK(labels("| logfmt a", {{{"app", "foo"}}, {}, "a=x\xff"}) == R"({a="", app="foo"})");
  }

  TEST_CASE("pipeline: regexp and pattern take their captures") {
    CHECK(labels(R"q(| regexp "(?P<m>\\w+) (?P<p>/\\S*)?(?P<app>x)?")q", {{{"app", "foo"}}, {}, "GET /a"}) ==
          R"({app="foo", app_extracted="", m="GET", p="/a"})");
    CHECK(labels(R"q(| regexp "(?P<m>x+)")q", {{{"app", "foo"}}, {}, "abc"}) == R"({app="foo"})");
    constexpr std::string_view kPattern = R"(| pattern "<method> <path> <status> <_>")";
    auto captured = [&](std::string line) { return labels(kPattern, {{}, {}, std::move(line)}); };
    CHECK(captured("GET /a 200 12ms") == R"({method="GET", path="/a", status="200"})");
    CHECK(captured("POST /c") == R"({method="POST", path="/c"})");
    CHECK(captured("nothing") == R"({method="nothing"})");
    CHECK(captured("GET  404") == R"({method="GET", path="", status="404"})");
    CHECK(captured("") == "{}");
  }

  TEST_CASE("pipeline: the first value of a label wins, also after drop") {
    CHECK(labels("| logfmt | json", {{}, {}, R"(foo=1 {"foo":2})"}).find("foo=\"1\"") != std::string::npos);
    CHECK(labels("| json | drop foo | json", {{}, {}, R"({"foo":"1","bar":"2"})"}) == R"({bar="2"})");
    CHECK(labels("| json | json foo=\"bar\"", {{}, {}, R"({"foo":"1","bar":"2"})"}) == R"({bar="2", foo="2"})");
  }

  TEST_CASE("pipeline: label filters convert, and drop what has no such label") {
    const Entry entry{
        {{"n", "5"}, {"d", "1500ms"}, {"s", "2kb"}, {"w", "word"}, {"e", ""}, {"i", "at 10.1.2.3"}}, {}, "l"};
    auto keeps = [&](std::string_view filter) { return run("| " + std::string(filter), entry) != "dropped"; };
    for (std::string_view kept :
         {"n=5", "n>=5", "n!=4", "d>1s", "d<=1500ms", "s=2000B", "s<2Ki", "w=\"word\"", "w=~\"w.*\"", "w!~\"or\"",
          "nope=\"\"", "nope!=\"x\"", "e=\"\"", "i=ip(\"10.0.0.0/8\")", "i!=ip(\"11.0.0.0/8\")", "w=~\"\"",
          "n=4 or d>1s", "n=5 and d>1s", "n=5, d>1s"}) {
      INFO(std::string(kept));
      CHECK(keeps(kept));
    }
    for (std::string_view dropped :
         {"n!=5", "n>5", "nope!=5", "nope!=5s", "nope!=5kB", "nope!=ip(\"10.0.0.0/8\")", "w=~\"or\"", "w!~\"\"",
          "i!=ip(\"10.0.0.0/8\")", "n=4 or d<1s", "n=5 and d<1s", "w=~\"wor\"", "d=1500ms d>2s"}) {
      INFO(std::string(dropped));
      CHECK_FALSE(keeps(dropped));
    }
    CHECK(labels("| lvl > 5", {{{"lvl", "info"}}, {}, ""}) ==
          R"({__error__="LabelFilterErr", __error_details__="strconv.ParseFloat: parsing \"info\": invalid syntax", )"
          R"(lvl="info"})");
    CHECK(run("| a=~\"x.y\"", {{{"a", "x\ny"}}, {}, ""}) == "dropped");
  }

  TEST_CASE("pipeline: an equality behind json holds wherever its value comes from") {
    const Entry plain{{{"app", "foo"}}, {}, R"({"status":500,"b":{"c":"x-y"}})"};
    CHECK(labels(R"(| json | status="500")", plain) == R"({app="foo", b_c="x-y", status="500"})");
    CHECK(labels(R"(|= "x" | json | b_c="x-y" and status="500")", plain) == R"({app="foo", b_c="x-y", status="500"})");
    CHECK(run(R"(| json | status="50")", plain) == "dropped");
    CHECK(run(R"(| json | status="501")", plain) == "dropped");
    CHECK(labels(R"(| json | s="500")", {{{"app", "foo"}}, {}, R"({"t":15002,"s": 500 })"}) ==
          R"({app="foo", s="500", t="15002"})");
    CHECK(labels(R"(| json | status="501" or b_c="x-y")", plain) == R"({app="foo", b_c="x-y", status="500"})");
    CHECK(labels(R"(| json | status="500")", {{{"app", "foo"}}, {}, R"({"status":"\u00350\u0030"})"}) ==
          R"({app="foo", status="500"})");
    CHECK(labels(R"(| json | p="a/b")", {{{"app", "foo"}}, {}, R"({"p":"a\/b"})"}) == R"({app="foo", p="a/b"})");
    CHECK(labels(R"(| json | p="a b")", {{{"app", "foo"}},
                                         {},
                                         "{\"p\":\"a\xff"
                                         "b\"}"}) == R"({app="foo", p="a b"})");
    CHECK(labels(R"(| json | app="foo")", {{{"app", "foo"}}, {}, R"({"a":1})"}) == R"({a="1", app="foo"})");
    CHECK(labels(R"(| json | sm="7")", {{{"app", "foo"}}, {{"sm", "7"}}, R"({"a":1})"}) ==
          R"({a="1", app="foo", sm="7"})");
    CHECK(labels(R"(| json | __error__="JSONParserErr")", {{{"app", "foo"}}, {}, "nope"}) != "dropped");
    CHECK(labels(R"(| json | line_format "{{.a}}" | json | b="2")",
                 {{{"app", "foo"}}, {}, R"({"a":"{\"b\":1}","b":2})"}) != "dropped");
  }

  TEST_CASE("pipeline: an expression behind a parser holds wherever its value comes from") {
    const Entry plain{{{"app", "foo"}}, {}, R"({"status":"timeout","host":"web-17","level":"Error"})"};
    for (const char* kept :
         {R"(| json | status=~"time.*")", R"(| json | status=~"t.meout")", R"(| json | host=~"web-[0-9]+|db-.*")",
          R"(| json | level=~"(?i)error|fatal")", R"(| json | level=~"(?i)err[a-z]+")",
          R"(| json | level="fatal" or host=~"web-.*")", R"(| json | app=~"fo+")", R"(| json | nope=~"abc|")",
          R"(| json | host=~".*17" and status="timeout")", R"(| json | status!~"abc")"})
      CHECK_MESSAGE(run(kept, plain) != "dropped", kept);
    for (const char* dropped :
         {R"(| json | status=~"tome.*")", R"(| json | host=~"db-.*|mail-[0-9]")", R"(| json | level=~"err[a-z]+")",
          R"(| json | level="fatal" or host=~"db-.*")", R"(| json | host=~".*17" and status="time")"})
      CHECK_MESSAGE(run(dropped, plain) == "dropped", dropped);
    const Entry escaped{{{"app", "foo"}}, {}, R"({"status":"tim\u0065out"})"},
        metadata{{{"app", "foo"}}, {{"sm", "timeout"}}, "{}"};
    CHECK(run(R"(| json | status=~"timeo.*")", escaped) != "dropped");
    CHECK(run(R"(| json | sm=~"timeo.*" or status="x1")", metadata) != "dropped");
    CHECK(run(R"(| json a="list" | a="[1,2]")", {{{"app", "foo"}}, {}, R"({"list":[1, 2]})"}) ==
          run(R"(| json a="list" | a=~"\\[1,2.")", {{{"app", "foo"}}, {}, R"({"list":[1, 2]})"}));
  }

  TEST_CASE("pipeline: what a filter behind a parser implies is found in many lines at once") {
    const std::vector<std::string> lines = {
        R"({"s":500})", "",       R"({"s":"5\u00300"})", "15002 500", "50", "0", "x1500",
        "500",          "500500", "a 500 500",           R"(\)",      "5"};
    for (const char* suffix : {R"(| json | s="500")", R"(| regexp `(?P<s>.+)` | s="500")", R"(| logfmt | s="nope")",
                               R"(| logfmt | s=~"500.*")", R"(| json | s="15002" or t=~"x1.*|5005.+")",
                               R"(| json | s="500" and t=~"50.*")"}) {
      CAPTURE(suffix);
      const auto implied = ImpliedText::of(stages(suffix));
      REQUIRE(implied.has_value());
      for (size_t first = 0; first < lines.size(); ++first) {
        std::string text = "500";  // of a stream before
        const auto begin = static_cast<uint32_t>(text.size());
        std::vector<uint32_t> ends, rows, expected;
        for (size_t i = first; i < lines.size(); ++i) {
          if (implied->may_keep(lines[i], {})) expected.push_back(static_cast<uint32_t>(i - first));
          text += lines[i];
          ends.push_back(static_cast<uint32_t>(text.size()));
        }
        implied->select(text + "500", ends, rows, begin);
        CHECK(rows == expected);
        CHECK((expected.empty() || implied->may_keep_any(text)));
      }
    }
  }

  TEST_CASE("pipeline: filters see the error, and do not replace it") {
    const Entry broken{{{"app", "foo"}}, {}, "nope"};
    CHECK(run("| json | __error__=\"\"", broken) == "dropped");
    CHECK(run("| json | __error__=\"JSONParserErr\"", broken) != "dropped");
    CHECK(run("| json | __error_details__!=\"\"", broken) == "dropped");
    CHECK(labels("| json | app > 5", broken).starts_with(R"({__error__="JSONParserErr")"));
    CHECK(labels("| json | drop __error__", broken).starts_with("{__error_details__="));
    CHECK(labels("| json | drop __error__, __error_details__", broken) == R"({app="foo"})");
    CHECK(labels("| json | keep nothing", broken).starts_with(R"({__error__="JSONParserErr")"));
    CHECK(labels("| __error__=\"mine\"", {{}, {{"__error__", "mine"}}, ""}) == R"({__error__="mine"})");
  }

  TEST_CASE("pipeline: line filters look at the line as it is there") {
    const Entry entry{{{"app", "foo"}}, {}, "a=1 b=2"};
    CHECK(run("|= \"b=2\" | logfmt | line_format \"<{{.a}}>\" |= \"b=2\"", entry) == "dropped");
    CHECK(run("| logfmt | line_format \"<{{.a}}>\" |= \"<1>\"", entry).starts_with("<1> "));
    CHECK(run("| logfmt | a=\"1\" != \"b=2\"", entry) == "dropped");
    CHECK(run("!= \"x\" or \"b\"", entry) == "dropped");
    CHECK(run("|= \"x\" or \"b\"", entry) != "dropped");
    CHECK(run("| decolorize |= \"ab\"", {{}, {}, "\x1b[31ma\x1b[0mb"}) == "ab {}");
  }

  TEST_CASE("pipeline: line_format places fields") {
    const Entry entry{{{"app", "foo"}}, {{"sm", "meta"}}, "a=1 b=2"};
    CHECK(run("| logfmt | line_format \"{{.a}}-{{ .sm }}-{{.app}}-{{.nope}}.\"", entry).starts_with("1-meta-foo-. "));
    CHECK(run("| line_format \"x {{- .app -}} y\"", entry).starts_with("xfooy "));
    CHECK(run("| line_format \"{{.nope}}\"", entry).starts_with(" {"));
    CHECK(run("| logfmt | line_format \"c={{.a}}\" | logfmt", entry) ==
          R"(c=1 {a="1", app="foo", b="2", c="1", sm="meta"})");
    CHECK(run("| json | line_format \"{{.__error__}}\"", entry).starts_with("JSONParserErr "));
  }

  TEST_CASE("pipeline: drop and keep take labels of every kind") {
    const Entry entry{{{"app", "foo"}, {"env", "prod"}}, {{"sm", "meta"}}, "a=1 b=2"};
    CHECK(labels("| logfmt | drop app, sm, a", entry) == R"({b="2", env="prod"})");
    CHECK(labels("| logfmt | drop env=\"dev\", a=~\"1|2\"", entry) == R"({app="foo", b="2", env="prod", sm="meta"})");
    CHECK(labels("| logfmt | keep env, b=\"2\", a=\"7\"", entry) == R"({b="2", env="prod"})");
    CHECK(labels("| keep nothing", entry) == "{}");
    CHECK(labels("| drop sm | logfmt", {{{"x", "y"}}, {{"sm", "meta"}}, "sm=1"}) == R"({sm="1", x="y"})");
  }

  TEST_CASE("pipeline: categories are kept apart") {
    auto compiled = LogPipeline::compile(stages("| logfmt"));
    LabelResults results;
    PipelineRun pipeline_run(*compiled, results);
    const LabelSet stream = LabelSet::from({{"app", "foo"}});
    std::string encoded;
    append_metadata(encoded, std::vector<MetadataPair>{{"sm", "meta"}});
    pipeline_run.begin_stream(stream);
    REQUIRE(pipeline_run.process(0, "a=1", MetadataView(encoded)));
    const ResultLabels& first = results.at(pipeline_run.labels());
    CHECK(first.stream.text() == R"({app="foo"})");
    CHECK(first.metadata.text() == R"({sm="meta"})");
    CHECK(first.parsed.text() == R"({a="1"})");
    CHECK_FALSE(first.has_error);
  }

  TEST_CASE("pipeline: equal labels get one id, in whatever order they came") {
    auto compiled = LogPipeline::compile(stages("| logfmt"));
    LabelResults results;
    PipelineRun pipeline_run(*compiled, results);
    const LabelSet stream = LabelSet::from({{"app", "foo"}});
    pipeline_run.begin_stream(stream);
    auto id = [&](std::string_view line) {
      REQUIRE(pipeline_run.process(0, line, {}));
      return pipeline_run.labels();
    };
    CHECK(id("a=1 b=2") == id("b=2 a=1"));
    CHECK(id("a=1 b=2") != id("a=2 b=1"));
    CHECK(id("") == id("x"));
    CHECK(results.size() == 3);
  }

  TEST_CASE("pipeline: sums group entries at once") {
    using Kind = LabelUse::Kind;
    const Entry entry{{{"app", "foo"}, {"env", "prod"}}, {{"sm", "meta"}}, "a=1 b=2"};
    CHECK(labels("| logfmt", entry, {Kind::kNone, {}}) == "{}");
    CHECK(labels("| logfmt", entry, {Kind::kBy, {"a", "env", "sm", "nope"}}) == R"({a="1", env="prod", sm="meta"})");
    CHECK(labels("| logfmt", entry, {Kind::kWithout, {"a", "env", "nope"}}) == R"({app="foo", b="2", sm="meta"})");
    CHECK(labels("", entry, {Kind::kWithout, {}}) == R"({app="foo", env="prod", sm="meta"})");
  }

  TEST_CASE("pipeline: what a sum does not need is not parsed, so its faults do not matter") {
    using Kind = LabelUse::Kind;
    const Entry broken{{{"app", "foo"}}, {}, R"({"a":1,"b":2,)"};
    CHECK(labels("| json", broken, {Kind::kNone, {}}) == "{}");
    CHECK(labels("| json", broken, {Kind::kBy, {"a"}}) == R"({a="1"})");
    CHECK(labels("| json", broken, {Kind::kBy, {"c"}}).starts_with(R"({__error__="JSONParserErr")"));
    CHECK(labels("| json", broken, {Kind::kWithout, {"a"}}).starts_with(R"({__error__="JSONParserErr")"));
    CHECK(labels("| json | b=\"2\"", broken, {Kind::kNone, {}}) == "{}");
    CHECK(labels("| json | __error__!=\"\"", broken, {Kind::kNone, {}}).find("__preserve_error__=\"true\"") !=
          std::string::npos);
    CHECK(labels("| json", broken, {Kind::kBy, {"__error__"}}).find("__preserve_error__=\"true\"") !=
          std::string::npos);
  }

  TEST_CASE("pipeline: knows what it does not need to read") {
    using Kind = LabelUse::Kind;
    auto compiled = [](std::string_view suffix, LabelUse use) { return *LogPipeline::compile(stages(suffix), use); };
    CHECK_FALSE(compiled("", {}).reads_lines());
    CHECK(compiled("", {}).reads_metadata());
    CHECK(compiled("", {}).keeps_lines());
    CHECK_FALSE(compiled("|= \"x\" | app=\"y\" |~ \"z\"", {}).reads_lines());
    CHECK(compiled("|= \"x\" | app=\"y\" |~ \"z\"", {}).leading().filters().size() == 2);
    CHECK_FALSE(compiled("", {Kind::kNone, {}}).reads_metadata());
    CHECK_FALSE(compiled("| json", {Kind::kNone, {}}).reads_lines());
    CHECK(compiled("| json", {Kind::kBy, {"a"}}).reads_lines());
    CHECK_FALSE(compiled("| line_format \"x\"", {}).keeps_lines());
    CHECK(compiled("| line_format \"x\" |= \"y\"", {}).leading().empty());
  }

  TEST_CASE("pipeline: stages that cannot be built are named") {
    CHECK(compile_error("|~ \"a**\"") ==
          "parse error : stage '|~ \"a**\"' : error parsing regexp: invalid nested repetition operator: `**`");
    CHECK(compile_error("|~ ip(\"10.0.0.1\")") == "parse error : stage '|~ ip(\"10.0.0.1\")' : ip: invalid operation");
    CHECK(compile_error("|= ip(\"x\")") == "parse error : stage '|= ip(\"x\")' : ip: invalid pattern: \"x\"");
    CHECK(compile_error("|> \"<a> b\"") ==
          "parse error : stage '|> \"<a> b\"' : named captures are not allowed: found '<a>'");
    CHECK(compile_error("| json a=\"\"") ==
          "parse error : stage '| json a=\"\"' : cannot parse expression []: syntax "
          "error: unexpected $end, expecting LSB or FIELD");
    CHECK(compile_error("| json a=\"[x]\"") ==
          "parse error : stage '| json a=\"[x]\"' : cannot parse expression [[x]]: syntax error: unexpected FIELD, "
          "expecting STRING or INDEX");
    CHECK(compile_error("| logfmt a=\"\"") ==
          "parse error : stage '| logfmt a=\"\"' : cannot parse expression []: "
          "syntax error: unexpected $end, expecting STRING or KEY");
    CHECK(compile_error("| logfmt a=\"b.c\"") ==
          "parse error : stage '| logfmt a=\"b.c\"' : cannot parse expression [b.c]: unexpected char .");
    CHECK(compile_error("| a=ip(\"x\")") == "parse error : stage '| a=ip(\"x\")' : ip: invalid pattern: \"x\"");
    CHECK(compile_error("| a=ip(\"x\") or b=1").empty());
  }

  TEST_CASE("pipeline: an error in a metric query is told in four lines") {
    CHECK(pipeline_error_text(LabelSet::from({{"__error__", "JSONParserErr"}, {"app", "foo"}})) ==
          "pipeline error: 'JSONParserErr' for series: '{__error__=\"JSONParserErr\", app=\"foo\"}'.\n"
          "Use a label filter to intentionally skip this error. (e.g | __error__!=\"JSONParserErr\").\n"
          "To skip all potential errors you can match empty errors.(e.g __error__=\"\")\n"
          "The label filter can also be specified after unwrap. (e.g | unwrap latency | __error__=\"\" )\n");
  }
}
