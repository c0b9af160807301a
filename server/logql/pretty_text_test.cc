#include "server/logql/pretty_text.h"

#include <doctest/doctest.h>

#include "server/logql/parser.h"

using namespace server;

namespace {
std::string pretty(std::string_view query, size_t line_length = kPrettyLineLength) {
  auto expr = parse_query(query);
  return expr ? pretty_text(*expr, line_length) : expr.error().message;
}
}  // namespace

TEST_SUITE("logql") {
  TEST_CASE("logql: format_query writes a short query on one line, as Loki's does") {
    CHECK(pretty("{app=`raw`}|=\"tab\\t\"") == "{app=\"raw\"} |= \"tab\\t\"");
    CHECK(pretty("{a=\"b\"} |= \"a\" or \"b\" != \"c\" or \"d\" or \"e\"") ==
          "{a=\"b\"} |= \"a\" or \"b\" != \"c\" != \"d\" or \"e\"");
    CHECK(pretty("{a=\"b\"} | x > 5 and y < 1m or z >= 1KB") == "{a=\"b\"} | ( ( x>5 , y<1m0s ) or z>=1.0kB )");
    CHECK(pretty("sum(rate({a=\"b\"}[60m] offset 5m)) without (c)") ==
          "sum without (c)(rate({a=\"b\"}[1h] offset 5m0s))");
    CHECK(pretty("sum by () (rate({a=\"b\"}[90s]))") == "sum(rate({a=\"b\"}[1m30s]))");
    CHECK(pretty("quantile_over_time(0.99, {a=\"b\"} | unwrap bytes(c) | c!=\"\" [5m]) by (d)") ==
          "quantile_over_time(0.99,{a=\"b\"} | unwrap bytes(c) | c!=\"\"[5m]) by (d)");
    CHECK(pretty("rate({a=\"b\"}[5m])/on(a,b)group_left(c)rate({a=\"x\"}[5m])") ==
          "(rate({a=\"b\"}[5m]) / on (a,b) group_left (c) rate({a=\"x\"}[5m]))");
    CHECK(pretty("rate({a=\"b\"}[5m]) and ignoring (x) rate({a=\"c\"}[5m])") ==
          "(rate({a=\"b\"}[5m]) and ignoring (x)  rate({a=\"c\"}[5m]))");
    CHECK(pretty("vector(1)") == "vector(1.000000)");
    CHECK(pretty("1e21") == "1e+21");
    CHECK(pretty("1e20") == "100000000000000000000");
    CHECK(pretty("{}").find("queries require at least one") != std::string::npos);
  }

  TEST_CASE("logql: format_query breaks a long query up, an argument or a stage to a line") {
    CHECK(pretty("{app=\"api\", other=\"value\"} |= \"x\" != \"y\" | json | level=\"error\"", 40) ==
          "{app=\"api\", other=\"value\"}\n  |= \"x\" != \"y\"\n  | json\n  | level=\"error\"");
    CHECK(pretty("topk(5, count_over_time({foo=\"bar\",namespace=\"loki\"}[5m])) by (container, pod)", 20) ==
          "topk by (container, pod)(\n"
          "  5,\n"
          "  count_over_time(\n"
          "    {foo=\"bar\", namespace=\"loki\"} [5m]\n"
          "  )\n"
          ")");
    CHECK(pretty("rate({a=\"b\"} | json [5m]) / on (c) rate({a=\"long enough\"} | json [5m])", 45) ==
          "  rate({a=\"b\"} | json[5m])\n/ on (c) \n  rate({a=\"long enough\"} | json[5m])");
    CHECK(pretty("quantile_over_time(0.5, {a=\"b\"} | logfmt | unwrap duration(took) [5m] offset 1h) by (a)", 15) ==
          "quantile_over_time(\n"
          "  0.5,\n"
          "  {a=\"b\"}\n"
          "    | logfmt\n"
          "    | unwrap duration(took) [5m] offset 1h\n"
          ") by (a)");
    CHECK(pretty("label_replace(rate({a=\"b\"}[5m]), \"d\", \"$1\", \"s\", \"(.*)\")", 30) ==
          "label_replace(\n  rate({a=\"b\"}[5m]),\n  \"d\",\n  \"$1\",\n  \"s\",\n  \"(.*)\"\n)");
  }

  TEST_CASE("logql: what format_query writes means what it was given") {
    for (const char* query :
         {"sum by (a, b) (rate({x=\"y\"} |= \"long enough to be broken into lines\" | json | a=\"b\" [5m])) > bool 7",
          "topk(3, avg_over_time({x=\"y\"} | logfmt | unwrap duration(took) | took > 1s [1h30m] offset 5m) by (z))",
          "(sum(rate({x=\"y\"}[1m])) or vector(0)) / ignoring (q) group_right (r) max without (s) "
          "(rate({x=\"z\"}[1m]))"}) {
      auto expr = parse_query(query);
      REQUIRE(expr.has_value());
      for (size_t line_length : {10, 40, 100, 1000}) {
        auto again = parse_query(pretty_text(*expr, line_length));
        REQUIRE(again.has_value());
        CHECK(expr_text(*again) == expr_text(*expr));
      }
    }
  }
}
