#include "server/api/loki_json.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::LabelSet;

namespace {
std::string text_of(std::string_view text, JsonText kind = JsonText::kPlain) {
  std::string out;
  append_json_text(out, text, kind);
  return out;
}
// The answer without its stats, which have a test of their own.
std::string without_stats(std::string answer) {
  size_t at = answer.find(",\"stats\":");
  return answer.substr(0, at);
}
}  // namespace

TEST_SUITE("api") {
  TEST_CASE("api: lines are escaped for HTML, labels are not, bad bytes become U+FFFD") {
    CHECK(text_of("a<b>&\"\\\n\t\x01", JsonText::kLine) == R"("a\u003cb\u003e\u0026\"\\\n\t\u0001")");
    CHECK(text_of("a<b>&") == R"("a<b>&")");
    CHECK(text_of("caf\xc3\xa9 \xff \xe2\x80\xa8") == "\"caf\xc3\xa9 \\ufffd \\u2028\"");
  }

  TEST_CASE("api: streams carry a third element exactly when labels are to be categorised") {
    QueryResult result;
    ResultStream stream{LabelSet::from({{"app", "x"}}),
                        {{1'000'000'001, "line", {{"trace", "1"}}, {}}, {2'000'000'002, "other", {}, {}}}};
    result.data = ResultStreams{stream};
    CHECK(
        without_stats(query_answer(result, {"categorize-labels"})) ==
        R"({"status":"success","data":{"resultType":"streams","encodingFlags":["categorize-labels"],"result":[{"stream":{"app":"x"},"values":)"
        R"([["1000000001","line",{"structuredMetadata":{"trace":"1"}}],["2000000002","other",{}]]}])");
    CHECK(
        without_stats(query_answer(result, {})) ==
        R"({"status":"success","data":{"resultType":"streams","result":[{"stream":{"app":"x"},"values":[["1000000001","line"],["2000000002","other"]]}])");
  }

  TEST_CASE("api: samples have times in seconds and values as text") {
    QueryResult result;
    result.data = ResultVector{{LabelSet(), 4'000'000'000'000'000'000, 2}};
    CHECK(without_stats(query_answer(result, {})) ==
          R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[4000000000,"2"]}])");
    result.data = ResultMatrix{{1'500'000'000, 1'000'000'000, 2}, {{{LabelSet(), {{0, 0.1}, {1, 1e21}}}}, false}};
    CHECK(
        without_stats(query_answer(result, {})) ==
        R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1.5,"0.1"],[2.5,"1000000000000000000000"]]}])");
    result.data = ResultMatrix{};
    CHECK(without_stats(query_answer(result, {})) ==
          R"({"status":"success","data":{"resultType":"matrix","result":[])");
    result.data = ResultScalar{1'000'000'000, 3};
    CHECK(without_stats(query_answer(result, {})) ==
          R"({"status":"success","data":{"resultType":"scalar","result":[1,"3"])");
  }

  TEST_CASE("api: warnings come before the data, names without values have no data at all") {
    QueryResult result;
    result.warnings = {"an object could not be read"};
    CHECK(query_answer(result, {})
              .starts_with(R"({"status":"success","warnings":["an object could not be read"],"data":{)"));
    CHECK(names_answer({}) == "{\"status\":\"success\"}\n");
    CHECK(names_answer({"a", "b"}) == "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}\n");
    CHECK(series_answer({}) == "{\"status\":\"success\",\"data\":[]}\n");
  }
}
