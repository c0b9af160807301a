#include "server/api/detected_fields.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::LabelSet;

namespace {
ResultStreams one_stream(std::vector<ResultEntry> entries) {
  ResultStream stream{LabelSet::from({{"app", "x"}}), std::move(entries)};
  ResultStreams streams;
  streams.push_back(std::move(stream));
  return streams;
}
const DetectedField* find(const std::vector<DetectedField>& fields, std::string_view label) {
  for (const DetectedField& field : fields)
    if (field.label == label) return &field;
  return nullptr;
}
}  // namespace

TEST_SUITE("api") {
  TEST_CASE("api: the type of a field is the first that its value reads as") {
    CHECK(field_type("12") == "int");
    CHECK(field_type("1") == "int");
    CHECK(field_type("1e3") == "float");
    CHECK(field_type("true") == "boolean");
    CHECK(field_type("1m30s") == "duration");
    CHECK(field_type("3.5MiB") == "bytes");
    CHECK(field_type("12a") == "string");
    CHECK(field_type("") == "string");
  }

  TEST_CASE("api: fields are detected in metadata, in JSON with their path, and in logfmt") {
    auto fields = detect_fields(one_stream({{3, R"({"user":{"id":1},"app":"y","took":"5ms"})", {{"trace", "a"}}, {}},
                                            {2, "took=7ms level=warn", {{"trace", "b"}}, {}},
                                            {1, "nothing here", {}, {}}}),
                                1000);
    CHECK(fields.size() == 5);
    REQUIRE(find(fields, "user_id") != nullptr);
    CHECK(find(fields, "user_id")->json_path == std::vector<std::string>{"user", "id"});
    CHECK(find(fields, "app_extracted")->json_path == std::vector<std::string>{"app"});
    CHECK(find(fields, "took")->type == "duration");
    CHECK(find(fields, "took")->cardinality == 2);
    CHECK(find(fields, "took")->parsers == std::vector<std::string>{"json", "logfmt"});
    CHECK(find(fields, "trace")->parsers.empty());
    std::string json = detected_fields_answer({*find(fields, "trace"), *find(fields, "user_id")}, 7);
    CHECK(
        json ==
        R"({"fields":[{"label":"trace","type":"string","cardinality":2,"parsers":null},{"label":"user_id","type":"int",)"
        R"("cardinality":1,"parsers":["json"],"jsonPath":["user","id"]}],"limit":7})"
        "\n");
    CHECK(detected_fields_answer({}, 7) == "{}\n");
  }

  TEST_CASE("api: what the query's own parser set is a field of it, errors are none") {
    auto fields =
        detect_fields(one_stream({{1, "GET /x", {}, {{"__error__", "JSONParserErr"}, {"method", "GET"}}}}), 1000);
    REQUIRE(fields.size() == 1);
    CHECK(fields[0].label == "method");
    CHECK(fields[0].parsers == std::vector<std::string>{"logfmt"});
  }

  TEST_CASE("api: no more fields and values than asked for") {
    auto streams = one_stream({{2, "a=1 b=2", {}, {}}, {1, "a=3 c=4", {}, {}}});
    CHECK(detect_fields(streams, 2).size() == 2);
    CHECK(detect_field_values(streams, "a", 1) == std::vector<std::string>{"1"});
    CHECK(detect_field_values(streams, "a", 9) == std::vector<std::string>{"1", "3"});
    CHECK(detected_values_answer({"1", "3"}, 9) == "{\"values\":[\"1\",\"3\"],\"limit\":9}\n");
    CHECK(detected_values_answer({}, 9) == "{}\n");
  }
}
