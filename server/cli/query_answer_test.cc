#include "server/cli/query_answer.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::LabelSet;

TEST_SUITE_BEGIN("cli");

TEST_CASE("query answer: reads streams, with and without their metadata apart") {
  auto answer = parse_query_answer(
      R"({"status":"success","warnings":["cut"],"data":{"resultType":"streams","result":[
        {"stream":{"app":"a\u00e4"},"values":[["1700000002000000001","line \"two\"\u003c"],["1700000001000000000",""]]},
        {"stream":{},"values":[["5","x",{"structuredMetadata":{"trace":"1"},"parsed":{"level":"error"}}],["6","y",{}]]}],
        "stats":{"summary":{"execTime":0.5,"splits":0},"index":{"usedBloomFilters":false}}}})");
  REQUIRE(answer.has_value());
  CHECK(answer->type == "streams");
  CHECK(answer->warnings == std::vector<std::string>{"cut"});
  REQUIRE(answer->entries.size() == 4);
  CHECK(answer->entries[0] ==
        AnsweredEntry{1700000002000000001, LabelSet::from({{"app", "aä"}}), "line \"two\"<", {}, {}});
  CHECK(answer->entries[1].line == "");
  CHECK(answer->entries[2] == AnsweredEntry{5, {}, "x", {{"trace", "1"}}, {{"level", "error"}}});
  CHECK(answer->entries[3].metadata.empty());
  CHECK(answer->stats == std::vector<std::pair<std::string, std::string>>{{"summary.execTime", "0.5"},
                                                                          {"summary.splits", "0"},
                                                                          {"index.usedBloomFilters", "false"}});
}

TEST_CASE("query answer: reads matrix, vector and scalar") {
  auto matrix = parse_query_answer(
      R"({"data":{"resultType":"matrix","result":[{"metric":{"a":"1"},"values":[[1700000000,"3"],[1700000060.125,"+Inf"]]}]}})");
  REQUIRE(matrix.has_value());
  REQUIRE(matrix->samples.size() == 2);
  CHECK(matrix->samples[0].time == 1'700'000'000'000'000'000);
  CHECK(matrix->samples[1].time == 1'700'000'060'125'000'000);
  CHECK(matrix->samples[1].value == "+Inf");
  CHECK(matrix->samples[1].labels == LabelSet::from({{"a", "1"}}));
  auto vector = parse_query_answer(R"({"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}})");
  REQUIRE(vector.has_value());
  CHECK(vector->samples.at(0).value == "2");
  auto scalar = parse_query_answer(R"({"data":{"resultType":"scalar","result":[1.5,"7"]}})");
  REQUIRE(scalar.has_value());
  CHECK(scalar->samples.at(0).time == 1'500'000'000);
}

TEST_CASE("query answer: names and series may be missing, empty or there") {
  CHECK(parse_names_answer(R"({"status":"success"})")->empty());
  CHECK(*parse_names_answer(R"({"data":["a","b\n"]})") == std::vector<std::string>{"a", "b\n"});
  CHECK(parse_series_answer(R"({"data":[]})")->empty());
  CHECK(parse_series_answer(R"({"data":[{"a":"1","b":"2"}]})")->at(0).text() == "{a=\"1\", b=\"2\"}");
}

TEST_CASE("query answer: what is not Loki's answer is refused") {
  for (const char* text :
       {"", "<html>", "[]", "{}", R"({"data":{"resultType":"streams"}})", R"({"data":{"resultType":"x","result":[1]}})",
        R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[["x","y"]]}]}})",
        R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[["1"]]}]}})",
        R"({"data":{"resultType":"matrix","result":[{"metric":{},"values":[["a","1"]]}]}})",
        R"({"data":{"resultType":"streams","result":[{"stream":{},"values":[)"}) {
    CAPTURE(text);
    auto answer = parse_query_answer(text);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().code == pipeline::Errc::kCorrupt);
  }
}

TEST_SUITE_END();
