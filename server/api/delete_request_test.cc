#include "server/api/delete_request.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::HttpForm;

namespace {

constexpr pipeline::UnixNanos kSecond = 1'000'000'000;
constexpr pipeline::UnixNanos kNow = 1'700'000'000 * kSecond + 123'000'000;

pipeline::Result<DeleteRequest> parse(std::string_view parameters) {
  return parse_delete_request(*HttpForm::parse(parameters), "t", kNow);
}

std::string refusal(std::string_view parameters) {
  auto request = parse(parameters);
  REQUIRE_FALSE(request);
  return request.error().message;
}

}  // namespace

TEST_SUITE("server/api") {
  TEST_CASE("delete: a request takes times in seconds and RFC 3339, both ends included") {
    auto request = parse("query=%7Bapp%3D%22x%22%7D+%7C%3D+%22secret%22&start=1699990000&end=2023-11-14T22:00:00Z");
    REQUIRE(request);
    CHECK(request->query == R"({app="x"} |= "secret")");
    CHECK(request->tenant == "t");
    CHECK(request->begin == 1'699'990'000 * kSecond);
    CHECK(request->end == 1'699'999'200 * kSecond + 1);
    CHECK(request->id.size() == 8);
    CHECK(parse("query={app=%22x%22}&start=1699990000")->end == kNow + 1);
  }

  TEST_CASE("delete: refusals have Loki's texts") {
    const std::string query = "query={app=%22x%22}";
    CHECK(refusal("start=1699990000") == "query not set");
    CHECK(refusal("query={app=&start=1699990000") == "invalid query expression");
    CHECK(refusal(query) == "start time not set");
    for (const char* time : {"169999000", "16999900000", "yesterday", "1699990000.5", "-699990000"}) {
      CAPTURE(time);
      CHECK(refusal(query + "&start=" + time) == "invalid start time: require unix seconds or RFC3339 format");
      CHECK(refusal(query + "&start=1699990000&end=" + time) ==
            "invalid end time: require unix seconds or RFC3339 format");
    }
    CHECK(refusal(query + "&start=1699990000&end=1700000001") == "deletes in the future are not allowed");
    CHECK(refusal(query + "&start=1699990000&end=1699990000") ==
          "start time can't be greater than or equal to end time");
  }

  TEST_CASE("delete: max_interval is checked as Loki checks it") {
    const std::string range = "query={app=%22x%22}&start=1699990000&end=1699993600&max_interval=";
    CHECK(parse(range + "1h"));
    CHECK(parse(range + "60m"));
    CHECK(refusal(range + "1d") == "invalid max_interval: valid time units are 's', 'm', 'h'");
    CHECK(refusal(range + "h") == "invalid max_interval: valid time units are 's', 'm', 'h'");
    CHECK(refusal(range + "25h") == "max_interval can't be greater than 24h0m0s");
    CHECK(refusal(range + "2h") == "max_interval can't be greater than the interval to be deleted (1h0m0s)");
  }

  TEST_CASE("delete: the list shows whole seconds, the state and the receipt, in the order of making") {
    std::vector<DeleteRequest> requests(2);
    requests[0] = {.number = 2, .id = "b", .tenant = "t", .query = "{a=\"b\"}"};
    requests[0].begin = 5 * kSecond, requests[0].end = 9 * kSecond + 1, requests[0].created = 20 * kSecond + 5'000'000;
    requests[1] = requests[0];
    requests[1].id = "a", requests[1].created = 10 * kSecond;
    requests[1].processed = 30 * kSecond, requests[1].removed_entries = 3, requests[1].removed_bytes = 70;
    CHECK(deletes_answer(requests) ==
          R"([{"request_id":"a","start_time":5,"end_time":9,"query":"{a=\"b\"}","status":"processed","created_at":10,)"
          R"("user_id":"","processed_at":30,"removed_entries":3,"removed_bytes":70},)"
          R"({"request_id":"b","start_time":5,"end_time":9,"query":"{a=\"b\"}","status":"received",)"
          R"("created_at":20.005,"user_id":""}])");
    CHECK(deletes_answer({}) == "[]");
    CHECK(filter_deletes(requests, "t", *HttpForm::parse(""))->size() == 2);
    CHECK(filter_deletes(requests, "u", *HttpForm::parse(""))->empty());
    CHECK(filter_deletes(requests, "t", *HttpForm::parse("start=1000000000"))->empty());
    CHECK_FALSE(filter_deletes(requests, "t", *HttpForm::parse("start=soon")));
  }
}
