#include "server/tail/tail_request.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::HttpForm;

namespace {

constexpr int64_t kNow = 1'700'000'000'000'000'000;

pipeline::Result<TailRequest> parse(std::string query, std::string_view flags = "") {
  pipeline::HttpRequest request;
  request.method = "GET";
  request.query = std::move(query);
  return parse_tail_request(*HttpForm::of(request), flags, kNow);
}
std::string refusal(std::string query) {
  auto request = parse(std::move(query));
  return request ? "accepted" : request.error().message;
}

}  // namespace

TEST_SUITE_BEGIN("server/tail");

TEST_CASE("tail request: defaults are Loki's") {
  auto request = parse("query={app=\"a\"}");
  REQUIRE(request.has_value());
  CHECK(request->query == "{app=\"a\"}");
  CHECK(request->expr.selector.matchers.size() == 1);
  CHECK(request->limit == 100);
  CHECK(request->start == kNow - 3'600'000'000'000);
  CHECK(request->delay.count() == 0);
  CHECK_FALSE(request->categorize_labels);
}

TEST_CASE("tail request: parameters and flags are read") {
  auto request = parse("query={app=\"a\"}&limit=7&start=1600000000&delay_for=5", "x,categorize-labels");
  REQUIRE(request.has_value());
  CHECK(request->limit == 7);
  CHECK(request->start == 1'600'000'000'000'000'000);
  CHECK(request->delay.count() == 5);
  CHECK(request->flags == std::vector<std::string>{"x", "categorize-labels"});
  CHECK(request->categorize_labels);
  CHECK(parse("query={app=\"a\"}&delay_for=-3")->delay.count() == 0);
}

TEST_CASE("tail request: what is wrong is said with Loki's texts") {
  CHECK(refusal("query={app=\"x\"") == "parse error at line 1, col 9: syntax error: unexpected $end, expecting } or ,");
  CHECK(refusal("") == "parse error : syntax error: unexpected $end");
  CHECK(refusal("query=rate({app=\"x\"}[1m])") == "only log selector is supported");
  CHECK(refusal("query={app=\"x\"}&delay_for=6") == "delay_for can't be greater than 5");
  CHECK(refusal("query={app=\"x\"}&delay_for=1s") == "strconv.Atoi: parsing \"1s\": invalid syntax");
  CHECK(refusal("query={app=\"x\"}&limit=x") == "strconv.Atoi: parsing \"x\": invalid syntax");
  CHECK(refusal("query={app=\"x\"}&limit=0") == "limit must be a positive value");
  CHECK(refusal("query={app=\"x\"}&start=x") ==
        "could not parse 'start' parameter: strconv.ParseInt: parsing \"x\": invalid syntax");
}

TEST_SUITE_END();
