#include "server/logql/parser.h"

#include <doctest/doctest.h>
#include <string>

using namespace server;

namespace {

// The canonical text of a query, or its error.
std::string parsed(std::string_view text) {
  auto expr = parse_query(text);
  return expr ? expr_text(*expr) : expr.error().message;
}

// The canonical text of the label filter behind {a="x"} | ...
std::string filter(std::string_view text) {
  const std::string whole = parsed("{a=\"x\"} | " + std::string(text));
  constexpr std::string_view kPrefix = "{a=\"x\"} | ";
  return whole.starts_with(kPrefix) ? whole.substr(kPrefix.size()) : whole;
}

struct Row {
  std::string_view query, text;
};

void check_rows(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    INFO(std::string(row.query));
    CHECK(parsed(row.query) == row.text);
  }
}

constexpr std::string_view kNoMatcher =
    "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible "
    "value. For instance, app=~\".*\" does not meet this requirement, but app=~\".+\" will";

}  // namespace

TEST_SUITE("server/logql") {
  TEST_CASE("parser: takes every kind of stage") {
    check_rows({
        {R"({a="x", b!="y",c=~"z.*",d!~`w`})", R"({a="x", b!="y", c=~"z.*", d!~"w"})"},
        {R"(({a="x"}))", R"({a="x"})"},
        {R"({a="x"} |= "a" or "b" != ip("10.0.0.1") |~ "c" !~ "d" |> "<_>e" !> "f")",
         R"({a="x"} |= "a" or "b" != ip("10.0.0.1") |~ "c" !~ "d" |> "<_>e" !> "f")"},
        {R"({a="x"} | json | json b, c="d.e[0]")", R"({a="x"} | json | json b="b",c="d.e[0]")"},
        {R"({a="x"} | logfmt --strict --keep-empty --strict b, c="d")",
         R"({a="x"} | logfmt --strict --keep-empty b="b",c="d")"},
        {R"q({a="x"} | regexp "(?P<n>.)" | pattern "<p> <_>" | unpack | decolorize)q",
         R"q({a="x"} | regexp "(?P<n>.)" | pattern "<p> <_>" | unpack | decolorize)q"},
        {R"({a="x"} | line_format "{{.b}}" | label_format c=d,e="f")",
         R"({a="x"} | line_format "{{.b}}" | label_format c=d,e="f")"},
        {R"({a="x"} | drop b, c="d" | keep e, f!~"g")", R"({a="x"} | drop b,c="d" | keep e,f!~"g")"},
        {R"({A="x"} | JSON | sum="1" | by_x>2)", R"({A="x"} | json | sum="1" | by_x>2)"},
    });
  }

  TEST_CASE("parser: label filters of all kinds") {
    CHECK(filter(R"(b="v")") == R"(b="v")");
    CHECK(filter(R"(b!~"v")") == R"(b!~"v")");
    CHECK(filter("b=5") == "b==5");
    CHECK(filter("b!=-5.5") == "b!=-5.5");
    CHECK(filter("b>=+5") == "b>=5");
    CHECK(filter("b<1h30m") == "b<1h30m0s");
    CHECK(filter("b==-5m") == "b==-5m0s");
    CHECK(filter("b>5kB") == "b>5.0kB");
    CHECK(filter("b<=20MiB") == "b<=21MB");
    CHECK(filter(R"(b=ip("10.0.0.0/8"))") == R"(b=ip("10.0.0.0/8"))");
    CHECK(filter(R"(b!=ip("::1"))") == R"(b!=ip("::1"))");
    CHECK(filter("b>0x1F") == "b>31");
  }

  TEST_CASE("parser: label filters join by precedence, commas and gaps take all to their right") {
    CHECK(filter("a=1 or b=2 and c=3") == "( a==1 or ( b==2 , c==3 ) )");
    CHECK(filter("a=1 and b=2 or c=3") == "( ( a==1 , b==2 ) or c==3 )");
    CHECK(filter("a=1 or b=2 , c=3") == "( a==1 or ( b==2 , c==3 ) )");
    CHECK(filter("a=1 or b=2 c=3") == "( a==1 or ( b==2 , c==3 ) )");
    CHECK(filter("a=1 , b=2 or c=3") == "( a==1 , ( b==2 or c==3 ) )");
    CHECK(filter("a=1 b=2 or c=3") == "( a==1 , ( b==2 or c==3 ) )");
    CHECK(filter("(a=1 or b=2) and c=3") == "( ( a==1 or b==2 ) , c==3 )");
    CHECK(filter("a=1 (b=2 or c=3)") == "( a==1 , ( b==2 or c==3 ) )");
    CHECK(filter("a=1 and b=2 and c=3") == "( ( a==1 , b==2 ) , c==3 )");
    CHECK(filter("a=1 or b=2 or c=3") == "( ( a==1 or b==2 ) or c==3 )");
  }

  TEST_CASE("parser: ranges in every order") {
    for (std::string_view range :
         {R"({a="x"} |= "y" [5m] offset 1h)", R"({a="x"}[5m] offset 1h |= "y")", R"(({a="x"} |= "y")[5m] offset 1h)",
          R"(({a="x"} |= "y" [5m] offset 1h))", R"((({a="x"}[5m] offset 1h |= "y")))"}) {
      INFO(std::string(range));
      CHECK(parsed("rate(" + std::string(range) + ")") == R"(rate({a="x"} |= "y" [5m0s] offset 1h0m0s))");
    }
    for (std::string_view range :
         {R"({a="x"} | unwrap b | c>1 [5m])", R"({a="x"}[5m] | unwrap b | c>1)", R"(({a="x"} | unwrap b | c>1)[5m])",
          R"(({a="x"})[5m] | unwrap b | c>1)", R"(({a="x"}) [5m] | unwrap b | c>1)"}) {
      INFO(std::string(range));
      CHECK(parsed("sum_over_time(" + std::string(range) + ")") == R"(sum_over_time({a="x"} | unwrap b | c>1 [5m0s]))");
    }
    CHECK(parsed(R"(rate({a="x"}[1d] offset -24h))") == R"(rate({a="x"} [24h0m0s] offset -24h0m0s))");
    CHECK(parsed(R"(max_over_time({a="x"} | json | unwrap duration_seconds(b) [1s]) without (c))") ==
          R"(max_over_time({a="x"} | json | unwrap duration_seconds(b) [1s]) without (c))");
    CHECK(parsed(R"(quantile_over_time(0.9, {a="x"} | unwrap bytes(b) [1s]) by (c,d))") ==
          R"(quantile_over_time(0.9,{a="x"} | unwrap bytes(b) [1s]) by (c,d))");
  }

  TEST_CASE("parser: aggregations with their grouping on either side") {
    check_rows({
        {R"(sum(rate({a="x"}[1s])))", R"(sum(rate({a="x"} [1s])))"},
        {R"(sum by (b, c) (rate({a="x"}[1s])))", R"(sum by (b,c)(rate({a="x"} [1s])))"},
        {R"(sum(rate({a="x"}[1s])) without (b))", R"(sum without (b)(rate({a="x"} [1s])))"},
        {R"(topk(3, rate({a="x"}[1s])) by (b))", R"(topk by (b)(3,rate({a="x"} [1s])))"},
        {R"(bottomk by (b) (3, rate({a="x"}[1s])))", R"(bottomk by (b)(3,rate({a="x"} [1s])))"},
        {R"(sort by () (rate({a="x"}[1s])))", R"(sort by ()(rate({a="x"} [1s])))"},
        {R"(count(avg(min(max(stddev(stdvar(sort_desc(approx_topk(1, rate({a="x"}[1s]))))))))))",
         R"(count(avg(min(max(stddev(stdvar(sort_desc(approx_topk(1,rate({a="x"} [1s]))))))))))"},
        {R"q(label_replace(rate({a="x"}[1s]), "d", "$1", "s", "(.*)"))q",
         R"q(label_replace(rate({a="x"} [1s]),"d","$1","s","(.*)"))q"},
        {"vector(2)", "vector(2)"},
        {"sum(vector(1))", "sum(vector(1))"},
    });
  }

  TEST_CASE("parser: operators bind as they should") {
    auto vectors = [](std::string_view text) { return parsed(text); };
    CHECK(vectors("vector(1) or vector(2) and vector(3)") == "(vector(1) or (vector(2) and vector(3)))");
    CHECK(vectors("vector(1) and vector(2) unless vector(3)") == "((vector(1) and vector(2)) unless vector(3))");
    CHECK(vectors("vector(1) and vector(2) == vector(3)") == "(vector(1) and (vector(2) == vector(3)))");
    CHECK(vectors("vector(1) > vector(2) + vector(3)") == "(vector(1) > (vector(2) + vector(3)))");
    CHECK(vectors("vector(1) - vector(2) - vector(3)") == "((vector(1) - vector(2)) - vector(3))");
    CHECK(vectors("vector(1) + vector(2) % vector(3)") == "(vector(1) + (vector(2) % vector(3)))");
    CHECK(vectors("vector(1) * vector(2) ^ vector(3)") == "(vector(1) * (vector(2) ^ vector(3)))");
    CHECK(vectors("vector(1) ^ vector(2) ^ vector(3)") == "(vector(1) ^ (vector(2) ^ vector(3)))");
    CHECK(vectors("(vector(1) + vector(2)) * vector(3)") == "((vector(1) + vector(2)) * vector(3))");
    CHECK(vectors("vector(1) > bool 2") == "(vector(1) > bool 2)");
    CHECK(vectors("vector(1) + on (a) group_left (b, c) vector(2)") ==
          "(vector(1) + on (a) group_left (b,c) vector(2))");
    CHECK(vectors("vector(1) + ignoring (a) group_right vector(2)") ==
          "(vector(1) + ignoring (a) group_right () vector(2))");
    CHECK(vectors("vector(1) and on () vector(2)") == "(vector(1) and on () vector(2))");
  }

  TEST_CASE("parser: literals fold") {
    check_rows({{"1 + 2 * 3", "7"},
                {"-2^2", "4"},
                {"2^3^2", "512"},
                {"2 -1", "1"},
                {"1--1", "2"},
                {"+5", "5"},
                {"1 > 2", "0"},
                {"2 > bool 1", "1"},
                {"1/0", "NaN"},
                {"5 % 0", "NaN"},
                {"-7 % 3", "-1"},
                {"(1 + 1) * 0.25", "0.5"},
                {"1_000", "1000"}});
  }

  TEST_CASE("parser: names the token it did not expect and what could stand there") {
    check_rows({
        {"", "parse error : syntax error: unexpected $end"},
        {" ", "parse error at line 1, col 2: syntax error: unexpected $end"},
        {R"({app="foo")", "parse error at line 1, col 11: syntax error: unexpected $end, expecting } or ,"},
        {R"({app="foo",})", "parse error at line 1, col 12: syntax error: unexpected }, expecting IDENTIFIER"},
        {R"({app==""})", "parse error at line 0, col 5: syntax error: unexpected ==, expecting = or =~ or !~ or !="},
        {R"({json="x"})", "parse error at line 1, col 2: syntax error: unexpected json, expecting IDENTIFIER or }"},
        {R"({app="foo"} |= foo)",
         "parse error at line 1, col 16: syntax error: unexpected IDENTIFIER, expecting STRING or ip"},
        {R"({app="foo"} | json a=b)",
         "parse error at line 1, col 22: syntax error: unexpected IDENTIFIER, expecting STRING"},
        {R"({app="foo"} | label_format a= )",
         "parse error at line 1, col 31: syntax error: unexpected $end, expecting IDENTIFIER or STRING"},
        {R"({app="foo"} | unwrap x)", "parse error at line 1, col 15: syntax error: unexpected unwrap"},
        {R"({app="foo"} | logfmt --bad)",
         "parse error at line 1, col 24: syntax error: unexpected IDENTIFIER, expecting NUMBER"},
        {R"({app="foo"} | a=="x")", "parse error at line 1, col 18: syntax error: unexpected STRING"},
        {R"({app="foo"} | a>5kb)", "parse error at line 1, col 20: syntax error: unexpected $end"},
        {R"({app="foo"} |= "x)", "parse error at line 1, col 16: literal not terminated"},
        {R"(({app="foo"}) |= "x")", "parse error at line 0, col 15: syntax error: unexpected |="},
        {"{app=\"foo\"}\n|= 5",
         "parse error at line 2, col 4: syntax error: unexpected NUMBER, expecting STRING or ip"},
        {R"(rate({app="foo"}))", "parse error at line 1, col 17: syntax error: unexpected )"},
        {R"(rate({app="foo"}[5]))", "parse error at line 0, col 17: not a valid duration string: \"5\""},
        {R"(rate({app="foo"}[5m] offset 5))",
         "parse error at line 1, col 29: syntax error: unexpected NUMBER, expecting DURATION"},
        {"rate()", "parse error at line 1, col 6: syntax error: unexpected ), expecting NUMBER or { or ("},
        {R"(rate({app="api"}[5m])", "parse error at line 1, col 21: syntax error: unexpected $end, expecting )"},
        {R"(rate({app="api"} | json [5m] | logfmt))",
         "parse error at line 1, col 30: syntax error: unexpected |, expecting )"},
        {R"(rate(({app="api"}) |= "x" [5m]))",
         "parse error at line 0, col 20: syntax error: unexpected |=, expecting RANGE"},
        {R"(sum_over_time({app="api"} | unwrap bogus(x) [5m]))",
         "parse error at line 1, col 41: syntax error: unexpected (, expecting RANGE or |"},
        {R"(sum by (rate({app="api"}[5m])))",
         "parse error at line 1, col 9: syntax error: unexpected RATE, expecting IDENTIFIER or )"},
        {R"(topk(-1, rate({app="api"}[5m])))", "parse error at line 1, col 8: syntax error: unexpected ,"},
        {R"(label_replace(rate({app="api"}[5m]), "a", "b", "c"))",
         "parse error at line 1, col 51: syntax error: unexpected ), expecting ,"},
        {R"(-rate({app="api"}[5m]))", "parse error at line 1, col 2: syntax error: unexpected RATE, expecting NUMBER"},
        {"vector(x)", "parse error at line 1, col 8: syntax error: unexpected IDENTIFIER, expecting NUMBER"},
        {"(1 + 2", "parse error at line 1, col 7: syntax error: unexpected $end"},
        {"10kB", "parse error at line 0, col 1: syntax error: unexpected BYTES"},
        {"nan", "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    });
  }

  TEST_CASE("parser: refuses what has no meaning") {
    check_rows({
        {"{}", kNoMatcher},
        {R"({a=""})", kNoMatcher},
        {R"({a!="x"})", kNoMatcher},
        {R"({a=~".*"})", kNoMatcher},
        {R"({a=~"x|"})", kNoMatcher},
        {R"({a!~"x"})", kNoMatcher},
        {R"(rate({a!="x"}[1m]) + rate({a="x"}[1m]))", kNoMatcher},
        {"sum(1)", kNoMatcher},
        {R"({a="x",b=""})", R"({a="x", b=""})"},
        {R"({a!=""})", R"({a!=""})"},
        {R"({a=~".+"})", R"({a=~".+"})"},
        {R"({a=~"("})", "parse error : error parsing regexp: missing closing ): `(`"},
        {R"({a="x"} | drop b=~"(")", "parse error : error parsing regexp: missing closing ): `(`"},
        {R"q({a="x"} | regexp "(x)")q",
         "parse error : invalid regexp parser: at least one named capture must be supplied"},
        {R"({a="x"} | pattern "<_>")", "parse error : invalid pattern parser: at least one capture is required"},
        {R"(rate(0.5, {a="x"}[1m]))", "parse error : parameter 0.5 not supported for operation rate"},
        {R"(quantile_over_time({a="x"} | unwrap b [1m]))",
         "parse error : parameter required for operation quantile_over_time"},
        {R"(sum_over_time({a="x"} | unwrap b [1m]) by (c))",
         "parse error : grouping not allowed for sum_over_time aggregation"},
        {R"(count_over_time({a="x"} | unwrap b [1m]))",
         "parse error : invalid aggregation count_over_time with unwrap"},
        {R"(sum_over_time({a="x"}[1m]))", "parse error : invalid aggregation sum_over_time without unwrap"},
        {R"(topk(rate({a="x"}[1m])))", "parse error : parameter required for operation topk"},
        {R"(topk(1.5, rate({a="x"}[1m])))", "parse error : invalid parameter topk(1.5,"},
        {R"(topk(0, rate({a="x"}[1m])))", "parse error : invalid parameter (must be greater than 0) topk(0"},
        {R"(sum(3, rate({a="x"}[1m])))", "parse error : unsupported parameter for operation sum(3,"},
        {R"(approx_topk by (b) (3, rate({a="x"}[1m])))",
         "parse error : grouping not allowed for approx_topk aggregation"},
        {R"(sort by (b) (rate({a="x"}[1m])))", "parse error : sort and sort_desc doesn't allow grouping by "},
        {R"({a="x"} + 1)", "parse error : unexpected type for left leg of binary operation (+): *syntax.MatchersExpr"},
        {R"(1 + {a="x"} |= "y")",
         "parse error : unexpected type for right leg of binary operation (+): *syntax.PipelineExpr"},
        {"1 and vector(1)",
         "parse error : unexpected literal for left leg of logical/set binary operation (and): 1.000000"},
        {R"(label_replace(rate({a="x"}[1m]), "a", "b", "c", "("))",
         "parse error : invalid regex in label_replace: error parsing regexp: missing closing ): `^(?:()$`"},
        {"0x1F + 1",
         "parse error : unable to parse literal as a float: strconv.ParseFloat: parsing \"0x1F\": invalid syntax"},
        {R"(variants(count_over_time({a="x"}[1m])) of ({a="x"}[1m]))",
         "multi variant queries are disabled for this instance"},
    });
  }

  TEST_CASE("parser: bounds length and depth") {
    CHECK(parsed(std::string(131072, ' ')) == "parse error : input size too long (131072 > 131072)");
    CHECK(parsed(std::string(131071, ' ')).ends_with("unexpected $end"));
    CHECK(parsed(std::string(100000, '(')) == "parse error : expression nests too deeply");
    const std::string deep = std::string(190, '(') + "1" + std::string(190, ')');
    CHECK(parsed(deep) == "1");
    auto repeated = [](std::string_view start, std::string_view piece, int times) {
      std::string out(start);
      for (int i = 0; i < times; ++i) out += piece;
      return out;
    };
    constexpr std::string_view kTooDeep = "parse error : expression nests too deeply";
    constexpr std::string_view kTooMany = "parse error : expression has too many operators";
    CHECK(parsed(repeated("1", "^1", 60000)) == kTooDeep);
    CHECK(parsed(repeated("vector(1)", "+vector(1)", 10000)) == kTooMany);
    CHECK(parsed(repeated("vector(1)", "+vector(1)", 900)).ends_with("vector(1))"));
    CHECK(parsed(repeated("{a=\"x\"} | ", "a=1 ", 30000)) == kTooDeep);
    CHECK(parsed(repeated("{a=\"x\"} | a=1", " or a=1", 10000)) == kTooMany);
    CHECK(parsed(repeated("{a=\"x\"} | ", "(", 10000)) == kTooDeep);
    CHECK(parsed(repeated("rate(", "(", 10000)) == kTooDeep);
    CHECK(parsed(repeated("", "sum(", 10000)) == kTooDeep);
  }

  TEST_CASE("parser: selectors alone") {
    CHECK(parse_selector(R"({a!="x"})", EmptyMatchers::kAllow)->matchers.size() == 1);
    CHECK(parse_selector("{}", EmptyMatchers::kAllow)->matchers.empty());
    CHECK(parse_selector("{}", EmptyMatchers::kRefuse).error().message == kNoMatcher);
    CHECK(parse_selector(R"({a="x"} |= "y")", EmptyMatchers::kAllow).error().message ==
          "only label matchers are supported");
    CHECK(parse_selector("1", EmptyMatchers::kAllow).error().message == "only label matchers are supported");
    CHECK(parse_selector("{a", EmptyMatchers::kAllow).error().message ==
          "parse error at line 1, col 3: syntax error: unexpected $end, expecting = or =~ or !~ or !=");
  }
}
