#include "server/ingest/document_push.h"

#include <doctest/doctest.h>

#include "pipeline/codec/push_collector.h"

using namespace server;
using pipeline::CollectedEntry;
using pipeline::CollectedStream;

TEST_SUITE_BEGIN("ingest");

namespace {

constexpr pipeline::UnixNanos kNow = 1'763'748'000'000'000'000;  // 2025-11-21T18:00:00Z

std::vector<CollectedStream> told(const pipeline::Result<DecodedDocuments>& documents) {
  REQUIRE(documents);
  pipeline::PushCollector collector;
  documents->tell(collector);
  return collector.streams;
}

pipeline::UnixNanos time_of(const std::string& json) {
  auto streams = told(read_json_lines("{\"message\":\"x\",\"@timestamp\":" + json + "}", {}, 1));
  return streams.empty() ? -1 : streams.at(0).entries.at(0).time;
}

}  // namespace

TEST_CASE("documents: a bulk becomes entries by stream, with an item for each document in its order") {
  auto documents = read_bulk(R"({"create":{"_index":"shop"}}
{"@timestamp":"2025-11-21T18:00:01.5Z","message":"one","service":{"name":"web"},"took":5,"tags":["a","b"]}
{"index":{}}
{"log":"two\nlines","kubernetes":{"pod":{"name":"p-1"}}}

{"create":{"_index":"shop","_id":"7"}}
not json
{"delete":{"_index":"shop","_id":"1"}}
{"update":{"_id":"1"}}
{"doc":{}}
{"create":{"_index":"shop"}}
{"message":"three","service.name":"web"}
)",
                             {.index = "default"}, kNow);
  auto streams = told(documents);
  REQUIRE(streams.size() == 2);
  CHECK(streams[0].labels == R"({index="default", kubernetes_pod_name="p-1"})");
  CHECK(streams[0].entries == std::vector<CollectedEntry>{{kNow, "two\nlines", {}}});
  CHECK(streams[1].labels == R"({index="shop", service_name="web"})");
  CHECK(streams[1].entries ==
        std::vector<CollectedEntry>{{kNow + 1'500'000'000, "one", {{"took", "5"}, {"tags", R"(["a","b"])"}}},
                                    {kNow, "three", {}}});
  const auto& outcomes = documents->outcomes();
  REQUIRE(outcomes.size() == 6);
  std::vector<int> statuses;
  for (const auto& one : outcomes) statuses.push_back(one.status);
  CHECK(statuses == std::vector<int>{201, 201, 400, 400, 400, 201});
  CHECK(outcomes[2].id == "7");
  CHECK(documents->outcome_of(0) == 1);
  CHECK(documents->outcome_of(1) == 0);
  CHECK(documents->outcome_of(2) == 5);
  std::string answer = bulk_answer(outcomes);
  CHECK(answer.starts_with(R"({"took":0,"errors":true,"items":[{"create":{"_index":"shop",)"));
  CHECK(answer.find(
            R"({"create":{"_index":"shop","_id":"7","status":400,"error":{"type":"document_parsing_exception",)") !=
        answer.npos);
  CHECK(bulk_answer({}) == R"({"took":0,"errors":false,"items":[]})");
}

TEST_CASE("documents: a bulk whose action is none is refused as a whole") {
  for (const char* body : {"x\n{}\n", "{}\n{}\n", R"({"create":1})", R"({"create":{},"index":{}})", R"({"drop":{}})"})
    CHECK_FALSE(read_bulk(body, {}, kNow));
  CHECK(read_bulk("x\n", {}, kNow).error().message.starts_with("Malformed action/metadata line [1]"));
  CHECK(read_bulk("", {}, kNow)->outcomes().empty());
  auto cut = read_bulk(R"({"create":{}})", {}, kNow);  // its document is missing
  REQUIRE(cut);
  CHECK(cut->outcomes().at(0).status == 400);
}

TEST_CASE("documents: lines as the command line tool writes them come back whole") {
  auto streams = told(read_json_lines(
      R"({"timestamp":"2025-11-21T18:00:00.000000001Z","labels":{"app":"web"},"line":"text","structured_metadata":{"a":"b"}}
{"timestamp":"2025-11-21T18:00:00.000000002Z","labels":{"app":"web"},"line_b64":"/w=="}
)",
      {}, kNow));
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].labels == R"({app="web"})");
  CHECK(streams[0].entries == std::vector<CollectedEntry>{{kNow + 1, "text", {{"a", "b"}}}, {kNow + 2, "\xff", {}}});
}

TEST_CASE("documents: a faulty line is named, the others are taken") {
  auto documents = read_json_lines("{\"message\":\"a\"}\n[1]\n\n{\"message\":\"b\",\"time\":\"soon\"}\n", {}, kNow);
  REQUIRE(documents);
  REQUIRE(documents->outcomes().size() == 3);
  CHECK(documents->outcomes()[1].line == 2);
  CHECK(documents->outcomes()[1].text == "not a JSON object: [1]");
  CHECK(documents->outcomes()[2].line == 4);
  CHECK(documents->outcomes()[2].text.starts_with("\"soon\" is no time"));
  CHECK(told(documents).at(0).entries.size() == 1);
}

TEST_CASE("documents: times are texts, or numbers of any unit") {
  CHECK(time_of(R"("2025-11-21T18:00:00Z")") == kNow);
  CHECK(time_of(R"("2025-11-21T18:00:00")") == kNow);
  CHECK(time_of(R"("2025-11-21T19:00:00+01:00")") == kNow);
  CHECK(time_of("1763748000") == kNow);
  CHECK(time_of("1763748000000") == kNow);
  CHECK(time_of(R"("1763748000000")") == kNow);
  CHECK(time_of("1763748000000000") == kNow);
  CHECK(time_of("1763748000000000000") == kNow);
  CHECK(time_of("1763748000.5") == kNow + 500'000'000);
  CHECK(time_of("1e300") == -1);
  CHECK(time_of("true") == -1);
  CHECK(time_of("-9223372036854775808") != 0);
}

TEST_CASE("documents: which fields are line, time and labels can be said; without a line the document is the line") {
  DocumentForm form{.time_fields = {"t"}, .line_fields = {"body"}, .stream_fields = {"a.b"}};
  auto streams = told(read_json_lines(R"({"t":5,"body":"x","a":{"b":"c"},"message":"m"})", form, kNow));
  REQUIRE(streams.size() == 1);
  CHECK(streams[0].labels == R"({a_b="c"})");
  CHECK(streams[0].entries == std::vector<CollectedEntry>{{5'000'000'000, "x", {{"message", "m"}}}});
  streams = told(read_json_lines(R"({"n":1,"host":{"name":"h"}})", {}, kNow));
  CHECK(streams.at(0).labels == R"({host_name="h"})");
  CHECK(streams.at(0).entries.at(0).line == R"({"n":1,"host":{"name":"h"}})");
  CHECK(streams.at(0).entries.at(0).metadata.empty());
}

TEST_SUITE_END();
