// structured_metadata, structured_metadata_drop, tenant, pack, decolorize, truncate, luhn.
#include <doctest/doctest.h>

#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

TEST_CASE("structured_metadata: a label that is a source is a label no longer, and wins over an extracted value") {
  TestPipeline p(stage("regex", "expression = '(?P<a>\\w+)'") +
                 stage("structured_metadata", "values = { a = \"\", j = \"job\", none = \"\" }"));
  CHECK(p.run_lines({{.text = "x", .labels = LabelSet::from({{"job", "t"}, {"a", "label"}, {"k", "v"}})},
                     {.text = "y", .metadata = {{"a", "old"}}}}) == Texts{R"({k="v"} x a=label j=t)", "{} y a=y j=t"});
  CHECK(p.rebuild(0) == Texts{R"({k="v"} x a=label j=t)"});
}

TEST_CASE("structured_metadata: values that are not UTF-8 are left out, names may be any UTF-8") {
  TestPipeline p(stage("regex", "expression = '(?P<a>.*)'") +
                 stage("structured_metadata", "values = { \"a.b\" = \"a\" }"));
  CHECK(p.run({"\xff", "x"}) == Texts{"{job=\"t\"} \xff", "{job=\"t\"} x a.b=x"});
  CHECK(error_of("structured_metadata", "values = { \"\" = \"a\" }") == "t.toml:1:1: invalid label name: ");
  CHECK(error_of("structured_metadata", "regex = '('") == "t.toml:1:1: error parsing regexp: missing closing ): `(`");
}

TEST_CASE("structured_metadata_drop: removes metadata by name") {
  TestPipeline p(stage("structured_metadata_drop", "values = [\"a\", \"c\"]"));
  CHECK(p.run_lines({{.text = "x", .metadata = {{"a", "1"}, {"b", "2"}}}, {.text = "y"}}) ==
        Texts{"{job=\"t\"} x b=2", "{job=\"t\"} y"});
  CHECK(error_of("structured_metadata_drop", "values = []") ==
        "t.toml:1:1: structured_metadata_drop stage config cannot be empty");
}

TEST_CASE("tenant: by value, extracted value or label; nothing where that is empty") {
  TestPipeline value(stage("tenant", "value = 'a'"));
  CHECK(value.run({"x"}) == Texts{R"({__tenant_id__="a", job="t"} x)"});
  TestPipeline source(stage("json", "expressions = { c = \"\" }") + stage("tenant", "source = 'c'"));
  CHECK(source.run({"{\"c\":12}", "{\"c\":\"\"}", "{\"c\":null}"}) ==
        Texts{R"({__tenant_id__="12", job="t"} {"c":12})", R"({job="t"} {"c":""})", R"({job="t"} {"c":null})"});
  TestPipeline label(stage("tenant", "label = 'job'"));
  CHECK(label.run({"x"}) == Texts{R"({__tenant_id__="t", job="t"} x)"});
  CHECK(label.run({"x"}, LabelSet()) == Texts{"{} x"});
  CHECK(error_of("tenant") == "t.toml:1:1: label, source or value config are required");
  CHECK(
      error_of("tenant", "value = 'a'\nlabel = 'b'") ==
      "t.toml:1:1: label, source and value are mutually exclusive: you should set source, value or label but not all");
}

TEST_CASE("pack: labels and extracted values go into the line, sorted, escaped for browsers") {
  TestPipeline p(stage("pack", "labels = ['b', 'a', 'none']\ningest_timestamp = false"));
  CHECK(p.run_lines({{.text = "<\"\n\x01\xff\xe2\x80\xa8>",
                      .labels = LabelSet::from({{"a", "1"}, {"b", "ü"}, {"c", "3"}}),
                      .read_time = kNow + 1}}) ==
        Texts{"2026-11-21T00:00:00.000000001Z {c=\"3\"} "
              "{\"a\":\"1\",\"b\":\"ü\",\"_entry\":\"\\u003c\\\"\\n\\u0001\\ufffd\\u2028\\u003e\"}"});
  TestPipeline now(stage("cri") + stage("pack", "labels = []"));
  CHECK(now.run({"2026-11-01T10:00:00Z stdout F x"}) == Texts{R"({job="t", stream="stdout"} {"_entry":"x"})"});
}

TEST_CASE("decolorize: removes colours and leaves what is no sequence") {
  TestPipeline p(stage("decolorize"));
  CHECK(p.run({"\x1b[31mred\x1b[0m plain", "\x1b[", "none"}) ==
        Texts{"{job=\"t\"} red plain", "{job=\"t\"} \x1b[", "{job=\"t\"} none"});
}

TEST_CASE("truncate: cuts each kind of text, says which, and counts when live") {
  const std::string toml = stage("regex", "expression = '(?P<v>\\w+)'") + stage("truncate") + R"(
[[stage.rule]]
limit = "5B"
suffix = "!"
[[stage.rule]]
limit = "3B"
source_type = "label"
sources = ["l"]
[[stage.rule]]
limit = "4B"
source_type = "structured_metadata"
[[stage.rule]]
limit = "2B"
source_type = "extracted"
sources = ["v", "none"]
)" + stage("structured_metadata", "values = { truncated = \"\", v = \"\" }");
  const std::vector<TestLine> lines = {
      {.text = "abcdefgh", .labels = LabelSet::from({{"l", "12345"}, {"m", "12345"}}), .metadata = {{"x", "12345"}}},
      {.text = "ab", .labels = LabelSet::from({{"truncated", "mine"}})}};
  const Texts expected = {
      "{l=\"123\", m=\"12345\"} abcd! x=1234 truncated=extracted,label,line,structured_metadata v=ab",
      "{} ab truncated=mine v=ab"};
  TestPipeline p(toml);
  CHECK(p.run_lines(lines) == expected);
  CHECK(p.metrics() ==
        "loki_process_truncated_fields_total{field=\"extracted\"} "
        "1\nloki_process_truncated_fields_total{field=\"label\"} 1\n"
        "loki_process_truncated_fields_total{field=\"line\"} 1\n"
        "loki_process_truncated_fields_total{field=\"structured_metadata\"} 1\n");
  TestPipeline again(toml, StageUse::kRebuild);
  CHECK(again.run_lines(lines) == expected);
  CHECK(again.metrics().empty());
}

TEST_CASE("truncate: the mark is added to one that is there, and all names are meant where none are given") {
  TestPipeline p(stage("truncate") + "[[stage.rule]]\nlimit = '2B'\nsource_type = 'extracted'\n" +
                 stage("structured_metadata", "regex = '.'"));
  CHECK(p.run({"x"}, LabelSet::from({{"abc", "12345"}, {"truncated", "mine"}})) ==
        Texts{"{} x abc=12345 truncated=mine"});  // the labels win over the extracted values
  TestPipeline twice(stage("truncate") + "[[stage.rule]]\nlimit = '5B'\n" + stage("truncate") +
                     "[[stage.rule]]\nlimit = '2B'\nsource_type = 'label'\n" +
                     stage("structured_metadata", "values = { truncated = \"\" }"));
  CHECK(twice.run({"abcdefgh"}, LabelSet::from({{"a", "123"}})) == Texts{"{a=\"12\"} abcde truncated=label,line"});
}

TEST_CASE("truncate: wrong rules are refused") {
  auto rule = [](std::string_view text) { return error_of("truncate", concat("[[stage.rule]]\n", text)); };
  CHECK(error_of("truncate").find("missing required block \"rule\"") != std::string::npos);
  CHECK(rule("suffix = 'x'").find("t.toml:3:1: missing required attribute \"limit\"") == 0);
  CHECK(rule("limit = '-5B'") == "t.toml:1:1: limit must be greater than zero");
  CHECK(rule("limit = 'big'") == "t.toml:4:9: limit: \"big\" units: invalid big; for example \"64KiB\"");
  CHECK(rule("limit = '5B'\nsources = ['a']") == "t.toml:1:1: sources cannot be set when source_type is 'line'");
  CHECK(rule("limit = '3B'\nsuffix = 'abc'") == "t.toml:1:1: suffix length cannot be greater than or equal to limit");
  CHECK(rule("limit = '3B'\nsource_type = ''") == "t.toml:1:1: \"\" unknown source_type: ");
  CHECK(rule("limit = '3B'\nsource_type = 'x'") == "t.toml:1:1: \"x\" unknown source_type: x");
  CHECK(rule("limit = '3B'\nlimits = 1") ==
        "t.toml:5:1: unrecognized attribute name \"limits\"; did you mean \"limit\"?");
}

TEST_CASE("luhn: replaces numbers that pass the check, with delimiters inside and the last one behind") {
  TestPipeline p(stage("luhn"));
  CHECK(p.run({"card 4111111111111111 ok", "4111111111111112", "4111-1111-1111-1111", "79927398713",
               "19 4111111111111111110 x", "99999999999999999999999"}) ==
        Texts{"{job=\"t\"} card **REDACTED** ok", "{job=\"t\"} 4111111111111112", "{job=\"t\"} 4111-1111-1111-1111",
              "{job=\"t\"} 79927398713", "{job=\"t\"} 19 **REDACTED** x", "{job=\"t\"} 99999999999999999999999"});
  TestPipeline d(stage("luhn", "delimiters = '-'\nreplacement = '#'"));
  CHECK(d.run({"-4111-1111-1111-1111--y", "4111-1111-1111-1112- z"}) ==
        Texts{"{job=\"t\"} -#-y", "{job=\"t\"} 4111-1111-1111-1112- z"});
  TestPipeline wide(stage("luhn", "delimiters = '·–'\nreplacement = '#'"));
  CHECK(wide.run({"4111·1111–1111·1111·é", "4111\xc2 1111–1111·1111", "٣4111111111111111", "4111111111111111३ x"}) ==
        Texts{"{job=\"t\"} #·é", "{job=\"t\"} 4111\xef\xbf\xbd 1111–1111·1111", "{job=\"t\"} ٣4111111111111111",
              "{job=\"t\"} 4111111111111111३ x"});
}

TEST_CASE("luhn: bad UTF-8 becomes U+FFFD, a source becomes the line, what skip_regex finds stays") {
  TestPipeline p(stage("luhn", "min_length = 0\nreplacement = ''"));
  CHECK(p.run({"\xff 4111111111111111"}) == Texts{"{job=\"t\"} \xef\xbf\xbd **REDACTED**"});
  TestPipeline source(stage("json", "expressions = { n = \"\" }") + stage("luhn", "source = 'n'"));
  CHECK(source.run({"{\"n\":\"4111111111111111\"}", "{\"n\":4111111111111111}"}) ==
        Texts{"{job=\"t\"} **REDACTED**", "{job=\"t\"} {\"n\":4111111111111111}"});
  TestPipeline skip(stage("luhn", "skip_regex = 'id=\\d+'"));
  CHECK(skip.run({"id=4111111111111111 4111111111111111"}) == Texts{"{job=\"t\"} id=4111111111111111 **REDACTED**"});
  CHECK(error_of("luhn", "source = ''") == "t.toml:1:1: empty source");
  CHECK(error_of("luhn", "skip_regex = '('").find("could not compile regular expression: ") != std::string::npos);
}

TEST_SUITE_END();
