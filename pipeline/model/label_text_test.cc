#include "pipeline/model/label_text.h"

#include <doctest/doctest.h>

namespace pipeline {

TEST_SUITE_BEGIN("label_text");

namespace {

// The labels in one form, or the error.
std::string read(std::string_view text) {
  auto labels = LabelSet::parse(text);
  return labels ? labels->text() : labels.error().message;
}

}  // namespace

TEST_CASE("label_text: all that Prometheus takes for labels") {
  CHECK(read(R"({a="1", b="2"})") == R"({a="1", b="2"})");
  CHECK(read(R"( { b = '2' ,a=`1` , } )") == R"({a="1", b="2"})");
  CHECK(read("") == "{}");
  CHECK(read(" \n\t ") == "{}");
  CHECK(read("{}") == "{}");
  CHECK(read(R"({a="", b="2"})") == R"({b="2"})");
  CHECK(read(R"({"a"="1", 'b'="2"})") == R"({a="1", b="2"})");
  CHECK(read("{by=\"1\", on=\"2\", inf=\"3\"}") == R"({by="1", inf="3", on="2"})");
}

TEST_CASE("label_text: a metric's name is a label") {
  CHECK(read(R"(up{a="1"})") == R"({__name__="up", a="1"})");
  CHECK(read(R"(job:up:sum {a="1"})") == R"({__name__="job:up:sum", a="1"})");
  CHECK(read("up") == R"({__name__="up"})");
  CHECK(read(R"(up{__name__="down"})") == R"({__name__="up"})");
  CHECK(read(R"({"up", a="1"})") == R"({__name__="up", a="1"})");
  CHECK(read(R"({a="1", "http.requests"})") == R"({__name__="http.requests", a="1"})");
  CHECK(read(R"({"up", __name__="down"})") == R"(duplicate label name "__name__")");
}

TEST_CASE("label_text: comments go to the end of their line") {
  CHECK(read("# labels\n{a=\"1\"}") == R"({a="1"})");
  CHECK(read("{a=\"1\", # one\n b=\"2\" # two\n} # all") == R"({a="1", b="2"})");
  CHECK(read("{a=\"#1\"}") == R"({a="#1"})");
  CHECK(read("# nothing else") == "{}");
  CHECK(read("{a=\"1\" # }") == "1:11: parse error: unexpected end of input inside braces");
}

TEST_CASE("label_text: what is wrong is said with Prometheus' words") {
  const std::pair<std::string_view, std::string_view> kCases[] = {
      {R"({a-b="x"})", "1:3: parse error: unexpected character inside braces: '-'"},
      {R"({a.b="x"})", "1:3: parse error: unexpected character inside braces: '.'"},
      {R"({case="p", é="y"})", "1:12: parse error: unexpected character inside braces: 'é'"},
      {R"({case=~"p"})", R"(1:6: parse error: unexpected <op:=~> in label set, expected "=")"},
      {R"({case!="p"})", R"(1:6: parse error: unexpected <op:!=> in label set, expected "=")"},
      {R"({case="p"} x)", R"(1:12: parse error: unexpected identifier "x")"},
      {R"({case="p"}{a="b"})", R"(1:11: parse error: unexpected "{")"},
      {R"({case="p" b="2"})", R"(1:11: parse error: unexpected identifier "b" in label set, expected "," or "}")"},
      {R"({case="p", x=5})", "1:14: parse error: unexpected character inside braces: '5'"},
      {R"({case=x})", R"(1:7: parse error: unexpected identifier "x" in label set, expected string)"},
      {R"({case="p")", "1:10: parse error: unexpected end of input inside braces"},
      {R"({case="p)", "1:7: parse error: unterminated quoted string"},
      {R"({case})", R"(1:6: parse error: unexpected "}" in label set, expected "=")"},
      {R"({,a="1"})", R"(1:2: parse error: unexpected "," in label set, expected identifier or "}")"},
      {R"(case="p")", R"(1:5: parse error: unexpected "=")"},
      {"{a=\"1\",\n b-c=\"2\"}", "2:3: parse error: unexpected character inside braces: '-'"},
      {R"({"a.b"="x"})", R"(1:2: parse error: label name "a.b" has characters other than letters, digits and _)"},
  };
  for (const auto& [text, error] : kCases) CHECK(read(text) == error);
}

TEST_CASE("label_text: what a label set writes is read again, whatever its values are") {
  const auto set = LabelSet::from({{"a", "\xef\xbf\xbd"}, {"b", "\xff#{}\"\n"}});
  CHECK(LabelSet::parse(set.text()) == set);
}

TEST_SUITE_END();

}  // namespace pipeline
