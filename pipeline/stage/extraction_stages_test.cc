// logfmt, pattern, split_json, eventlogmessage, windowsevent.
#include <doctest/doctest.h>

#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {
std::string labels(std::string_view values) { return stage("labels", concat("values = {", values, "}")); }
std::string metadata(std::string_view rest) { return stage("structured_metadata", rest); }
}  // namespace

TEST_CASE("logfmt: several values in one pass, of equal keys the last, up to the first fault") {
  TestPipeline p(stage("logfmt", "mapping = { level = \"\", m = \"msg\" }") + labels("level = \"\", m = \"\""));
  CHECK(p.run({"level=info x msg=\"a \\\"b\\\"\" level=warn", "level=info msg=\"open", "flag level", "LEVEL=x"}) ==
        Texts{R"({job="t", level="warn", m="a \"b\""} level=info x msg="a \"b\"" level=warn)",
              R"({job="t", level="info"} level=info msg="open)", R"({job="t", level=""} flag level)",
              R"({job="t"} LEVEL=x)"});
}

TEST_CASE("logfmt: a line end ends a record, inside quotes too; a key with U+FFFD is a fault") {
  TestPipeline p(stage("json", "expressions = { t = \"\" }") +
                 stage("logfmt", "source = 't'\nmapping = { a = \"\", b = \"\" }") + labels("a = \"\", b = \"\""));
  CHECK(p.run({R"({"t":"a=\"x\ny\" b=1"})", R"({"t":"a=1\r\n\nb=\"2\""})", R"({"t":"a=1 \ufffd=x b=2"})"}) ==
        Texts{R"({job="t"} {"t":"a=\"x\ny\" b=1"})", R"({a="1", b="2", job="t"} {"t":"a=1\r\n\nb=\"2\""})",
              R"({a="1", job="t"} {"t":"a=1 \ufffd=x b=2"})"});
}

TEST_CASE("logfmt: keys may be chosen by an expression, and the text be an extracted value") {
  TestPipeline p(stage("logfmt", "regex = '^l'\nmapping = { s = \"level\" }") + metadata("regex = '.'"));
  CHECK(p.run({"level=info line=3 x=1"}, LabelSet()) == Texts{"{} level=info line=3 x=1 level=info line=3 s=info"});
  TestPipeline source(stage("logfmt", "source = 'job'\nmapping = { a = \"\" }") + labels("a = \"\""));
  CHECK(source.run({"a=1"}, LabelSet::from({{"job", "a=2"}})) == Texts{R"({a="2", job="a=2"} a=1)"});
  CHECK(error_of("logfmt") == "t.toml:1:1: logfmt mapping or regex is required");
  CHECK(error_of("logfmt", "regex = '['") == "t.toml:1:1: error parsing regexp: missing closing ]: `[`");
}

namespace {
// `FIRST0=v FIRST1=v ...`
std::string many_pairs(std::string_view first, size_t count) {
  std::string line;
  for (size_t k = 0; k < count; ++k) line += concat(line.empty() ? "" : " ", first, k, "=v", k);
  return line;
}
}  // namespace

TEST_CASE("logfmt: keys without end take no memory for the other entries of their batch, and count like others") {
  const std::string all = stage("logfmt", "regex = '.'");
  Texts lines;
  for (size_t i = 0; i < 100; ++i) lines.push_back(many_pairs(concat("k", i, "_"), 20));
  TestPipeline p(all + metadata("regex = '_19$'") + labels("a = \"k99_18\", b = \"k0_1\""));
  Texts out = p.run(lines);
  REQUIRE(out.size() == 100);
  CHECK(out[0] == concat("{b=\"v1\", job=\"t\"} ", lines[0], " k0_19=v19"));
  CHECK(out[42] == concat("{job=\"t\"} ", lines[42], " k42_19=v19"));
  CHECK(out[99] == concat("{a=\"v18\", job=\"t\"} ", lines[99], " k99_19=v19"));
  CHECK(p.batch().fields().size() < 70);
}

TEST_CASE("logfmt: of many keys templates, match, multiline and output see each") {
  const std::string line = many_pairs("k", 200);
  auto out = [&](const std::string& stages) {
    return TestPipeline(stage("logfmt", "regex = '.'") + stages).run({line});
  };
  CHECK(out(stage("output", "source = 'k150'")) == Texts{R"({job="t"} v150)"});
  CHECK(out(stage("template", "source = 'o'\ntemplate = '{{ .k150 }} {{ index . \"k199\" }} {{ len . }}'") +
            stage("output", "source = 'o'")) == Texts{R"({job="t"} v150 v199 202)"});
  CHECK(
      out(stage("static_labels", "values = { k150 = 'label' }") +
          stage("match", concat("selector = '{k150=\"label\"}'\n[[stage.stage]]\ntype = 'output'\nsource = 'k150'"))) ==
      Texts{R"({job="t", k150="label"} label)"});
  TestPipeline held(stage("logfmt", "regex = '.'") + stage("multiline", "firstline = 'k0='") +
                    stage("output", "source = 'k199'"));
  CHECK(held.run({line, "more"}).empty());
  CHECK(held.flush() == Texts{R"({job="t"} v199)"});
}

TEST_CASE("json: tens of thousands of keys in one line cost time in proportion") {
  std::string line = "{\"k\":0";
  for (size_t k = 0; k < 30'000; ++k) line += concat(",\"k", k, "\":", k);
  line += '}';
  TestPipeline p(stage("json", "regex = '.'") + metadata("regex = '.'"));
  REQUIRE(p.run({line}, LabelSet()).size() == 1);
  const std::vector<Metadata>& found = p.batch().metadata(0);
  REQUIRE(found.size() == 30'001);
  CHECK(found[30'000].name == "k9999");
  CHECK(found[30'000].value == "9999");
}

TEST_CASE("pattern: stores the captures it finds, and may set labels of them") {
  TestPipeline p(stage("pattern", "pattern = '<a>::<_>::<b>'\nlabels_from_groups = true"));
  CHECK(p.run({"x::y::z::w", "x::y", "\xff::y::z"}) == Texts{R"({a="x", b="z::w", job="t"} x::y::z::w)",
                                                             R"({a="x", job="t"} x::y)",
                                                             "{b=\"z\", job=\"t\"} \xff::y::z"});
  TestPipeline source(stage("pattern", "source = 'path'\npattern = '/<root>/<_>'") + labels("root = \"\""));
  CHECK(source.run({"x"}, LabelSet::from({{"path", "/var/log"}})) == Texts{R"({path="/var/log", root="var"} x)"});
  CHECK(source.run({"/a/b"}) == Texts{R"({job="t"} /a/b)"});
  CHECK(error_of("pattern", "pattern = ''") == "t.toml:1:1: pattern is required");
  CHECK(error_of("pattern", "pattern = 'x'") ==
        "t.toml:1:1: failed to parse pattern: at least one capture is required");
  CHECK(error_of("pattern", "pattern = '<a>'\nsource = ''") == "t.toml:1:1: empty source");
}

TEST_CASE("split_json: an array becomes entries that share its place; all else passes") {
  TestPipeline p(stage("split_json") + stage("json", "expressions = { id = \"\" }") + labels("id = \"\""));
  CHECK(p.run_lines({{.text = " [{\"id\": 1}, \"two\", null, [3]]", .metadata = {{"m", "v"}}},
                     {.text = "[]"},
                     {.text = "[1, 2"},
                     {.text = "{\"id\":7}"}}) == Texts{R"({id="1", job="t"} {"id": 1} m=v)", R"({job="t"} "two" m=v)",
                                                       R"({job="t"} null m=v)", R"({job="t"} [3] m=v)",
                                                       R"({job="t"} [1, 2)", R"({id="7", job="t"} {"id":7})"});
  CHECK(p.drops().counts().at(0).reason == "split_json_empty");
  CHECK(p.drops().lines() == 1);
  CHECK(p.origins(0) == p.origins(3));
  CHECK(p.rebuild(1).size() == 4);
  TestPipeline source(stage("split_json", "source = 'list'"));
  CHECK(source.run({"x"}, LabelSet::from({{"list", "[1,2]"}})) == Texts{R"({list="[1,2]"} 1)", R"({list="[1,2]"} 2)"});
  CHECK(source.run({"[1]"}) == Texts{R"({job="t"} [1])"});
  CHECK(error_of("split_json", "source = ''") == "t.toml:1:1: empty source");
}

TEST_CASE("split_json: a stage that holds entries may not stand behind it, also not across match") {
  CHECK(TestPipeline(stage("multiline", "firstline = 'x'") + stage("dedup") + stage("split_json")).error() == "");
  const std::pair<const char*, const char*> holding[] = {
      {"multiline", "firstline = 'x'"}, {"dedup", ""}, {"redact", ""}, {"cri", ""}};
  for (const auto& [type, rest] : holding) {
    CHECK(TestPipeline(stage("split_json") + stage(type, rest))
              .error()
              .find("put split_json behind " + std::string(type)) != std::string::npos);
  }
  const std::string split = "[[stage]]\ntype = 'match'\nselector = '{a=\"b\"}'\n[[stage.stage]]\ntype = 'split_json'\n";
  const std::string join =
      "[[stage]]\ntype = 'match'\nselector = '{a=\"b\"}'\n[[stage.stage]]\ntype = 'multiline'\nfirstline = 'x'\n";
  CHECK(TestPipeline(join + split).error() == "");
  CHECK(
      TestPipeline(split + join)
          .error()
          .find("t.toml:10:8: stage \"multiline\" holds entries back and stands behind the split_json at t.toml:4:1") ==
      0);
}

TEST_CASE("split_json: inside match only the rows that match are split") {
  TestPipeline p(
      "[[stage]]\ntype = 'match'\nselector = '{job=\"t\"} |= \"1\"'\n[[stage.stage]]\ntype = 'split_json'\n");
  CHECK(p.run({"[1,2]", "[3,4]", "[1]"}) ==
        Texts{R"({job="t"} 1)", R"({job="t"} 2)", R"({job="t"} [3,4])", R"({job="t"} 1)"});
}

TEST_CASE("eventlogmessage: keys become label names; those there already get another name, or are replaced") {
  const std::string message = R"({"message":"Key One: v 1\r\nno colon\r\n9x: y\r\n: e\r\ndup: a\r\ndup: b\r\njob: j"})";
  const std::string json = stage("json", "expressions = { message = \"\" }");
  TestPipeline p(json + stage("eventlogmessage") + metadata("regex = '^[^m]'"));
  CHECK(p.run({message}) ==
        Texts{concat("{} ", message, " Key_One=v 1 _=e _x=y dup=a dup_extracted=b job=t job_extracted=j")});
  TestPipeline strict(json + stage("eventlogmessage", "drop_invalid_labels = true\noverwrite_existing = true") +
                      metadata("regex = '^[^mj]'"));
  CHECK(strict.run({message}, LabelSet()) == Texts{concat("{} ", message, " dup=b")});
  CHECK(p.run({"{\"message\":null}", "no json"}).size() == 1);  // a source that is no text drops the entry
  CHECK(error_of("eventlogmessage", "source = 'a-b'") == "t.toml:1:1: invalid label name: a-b");
  CHECK(error_of("eventlogmessage", "source = ''") == "t.toml:1:1: invalid label name: ");
}

TEST_CASE("windowsevent: sections, titles and values of several lines") {
  const std::string message =
      R"({"message":"A log\ron.\r\n\r\nLogon Info:\r\n\tType:\t5\r\n\tMulti: one\r\n\ttwo\r\n\r\nKey: v"})";
  const std::string json = stage("json", "expressions = { message = \"\" }");
  TestPipeline p(json + stage("windowsevent") + metadata("regex = '^[^m]'"));
  CHECK(p.run({message}, LabelSet()) ==
        Texts{concat("{} ", message, " Description=A logon. Key=v LogonInfo_Multi=one,two LogonInfo_Type=5")});
  CHECK(p.run({"{\"message\":null}"}).empty());
  CHECK(error_of("windowsevent", "source = ''") == "t.toml:1:1: invalid label name: ");
}

TEST_SUITE_END();
