#include <doctest/doctest.h>

#include "pipeline/stage/testing/test_pipeline.h"

TEST_SUITE_BEGIN("stage");

using namespace pipeline;
using namespace pipeline::testing;

namespace {
std::string replaced(std::string_view arguments, const std::string& line) {
  TestPipeline p(stage("replace", arguments));
  CHECK(p.error() == "");
  return std::string(p.run({line}, LabelSet()).at(0).substr(3));
}
}  // namespace

TEST_CASE("replace: every group of every match is replaced, what is around them stays") {
  CHECK(replaced("expression = 'pass=(\\S+)'\nreplace = 'xxx'", "a pass=1 b pass=2 c") == "a pass=xxx b pass=xxx c");
  CHECK(replaced("expression = '([a-z])(\\d)'\nreplace = '<{{ .Value }}>'", "a1 b2") == "<a><1> <b><2>");
  CHECK(replaced("expression = '(x)'", "axbx") == "ab");
  CHECK(replaced("expression = 'x'\nreplace = 'y'", "axb") == "axb");       // no group
  CHECK(replaced("expression = '(nope)'\nreplace = 'y'", "axb") == "axb");  // no match
  CHECK(replaced("expression = '(a)|(b)'\nreplace = 'y'", "ab") == "yy");   // a group that took no part
  CHECK(replaced("expression = '((a)b)'\nreplace = 'y'", "abab") == "yy");  // a group inside another
  CHECK(replaced("expression = '^(a)'\nreplace = 'y'", "aa") == "ya");      // ^ is the beginning only
  CHECK(replaced("expression = '(\\d+)'\nreplace = 'N'", "a\xff 12") == "a\xff N");
}

TEST_CASE("replace: empty matches stand between characters, and none follows another match") {
  CHECK(replaced("expression = '(x*)'\nreplace = '-'", "axb") == "-a-b-");
  CHECK(replaced("expression = '()'\nreplace = '-'", "é") == "-é-");
}

TEST_CASE("replace: an empty line, also one without memory, has empty matches") {
  for (std::string_view expression : {"(a*)", "()", "^(.*)$"}) {
    CHECK(replaced(concat("expression = '", expression, "'\nreplace = 'x'"), "") == "x");
  }
}

TEST_CASE("replace: named groups are extracted as they became, of the first match") {
  TestPipeline p(stage("replace", "expression = '(?P<y>\\d+)-(?P<m>\\d+)'\nreplace = '<{{ .Value }}>'") +
                 stage("labels", "values = { y = \"\", m = \"\" }"));
  CHECK(p.run({"1-2 3-4"}) == Texts{R"({job="t", m="<2>", y="<1>"} <1>-<2> <3>-<4>)"});
}

TEST_CASE("replace: the template sees extracted values; the text may be one") {
  TestPipeline p(stage("json", "expressions = { n = \"\", id = \"\" }") +
                 stage("replace", "source = 'n'\nexpression = '(\\.)'\nreplace = '{{ .id }},'") +
                 stage("output", "source = 'n'"));
  CHECK(p.run({"{\"n\":1.5,\"id\":7}", "{\"n\":2}", "{\"id\":7}"}) ==
        Texts{"{job=\"t\"} 17,5", "{job=\"t\"} 2", "{job=\"t\"} {\"id\":7}"});
}

TEST_CASE("replace: what would grow with the square of a line leaves it as it is") {
  TestPipeline p(stage("regex", "expression = '^(?P<all>.*)$'") +
                 stage("replace", "expression = '(a)'\nreplace = '{{ .all }}'"));
  const std::string fits(2000, 'a'), grows(3000, 'a');
  const Texts out = p.run({fits, grows});
  REQUIRE(out.size() == 2);
  CHECK(out[0] == concat("{job=\"t\"} ", std::string(4'000'000, 'a')));
  CHECK(out[1] == concat("{job=\"t\"} ", grows));
}

TEST_CASE("replace: a template that fails leaves the line as it is; wrong arguments are refused") {
  CHECK(replaced("expression = '(a)'\nreplace = '{{ Replace \"x\" }}'", "a") == "a");
  CHECK(error_of("replace", "expression = ''") == "t.toml:1:1: expression is required");
  CHECK(error_of("replace", "expression = '('") ==
        "t.toml:1:1: could not compile regular expression: error parsing regexp: missing closing ): `(`");
  CHECK(error_of("replace", "expression = '(x)'\nreplace = '{{'") ==
        "t.toml:1:1: failed to compile template: template: pipeline_template:1: unclosed action");
}

TEST_SUITE_END();
