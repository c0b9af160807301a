#include "server/api/query_parameters.h"

#include <doctest/doctest.h>

using namespace server;
using namespace std::chrono_literals;
using pipeline::HttpForm;

namespace {
constexpr pipeline::UnixNanos kNow = 1'793'527'200'000'000'000;
constexpr int64_t kSecond = 1'000'000'000;

auto range(const char* text) { return parse_range_parameters(*HttpForm::parse(text), kNow); }
std::string refusal(const char* text) {
  auto p = range(text);
  return p ? "accepted" : p.error().message;
}
}  // namespace

TEST_SUITE("api") {
  TEST_CASE("api: times are seconds, nanoseconds, fractions or RFC 3339, by length and look") {
    CHECK(parse_timestamp("1793527200") == kNow);
    CHECK(parse_timestamp("1793527200000000001") == kNow + 1);
    CHECK(parse_timestamp("1793527200.123456") == kNow + 123'000'000);
    CHECK(parse_timestamp("2026-11-01T10:00:00Z") == kNow);
    CHECK(parse_timestamp("1793527200000") == 1'793'527'200'000);  // milliseconds are taken for nanoseconds, as in Loki
    CHECK(parse_timestamp("-5") == -5 * kSecond);
    CHECK(parse_timestamp("9793527200").error().message ==
          "strconv.ParseInt: parsing \"9793527200\": value out of range");
    CHECK(parse_timestamp("x").error().message == "strconv.ParseInt: parsing \"x\": invalid syntax");
  }

  TEST_CASE("api: without parameters a range query looks back one hour from now") {
    auto p = range("query=x");
    REQUIRE(p.has_value());
    CHECK(p->range.end == kNow);
    CHECK(p->range.start == kNow - 3600 * kSecond);
    CHECK(p->step == 14s);
    CHECK(p->limit == 100);
    CHECK(p->direction == Direction::kBackward);
  }

  TEST_CASE("api: step takes seconds or a Prometheus duration") {
    CHECK(range("step=15000ms")->step == 15s);
    CHECK(range("step=1m30s")->step == 90s);
    CHECK(range("step=1.5")->step == 1500ms);
    CHECK(refusal("step=1.5s") == "cannot parse \"1.5s\" to a valid duration");
    CHECK(refusal("step=0") ==
          "zero or negative query resolution step widths are not accepted. Try a positive integer");
    CHECK(refusal("step=-1") ==
          "zero or negative query resolution step widths are not accepted. Try a positive integer");
    CHECK(
        refusal("step=0.1") ==
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter");
    CHECK(refusal("start=0&end=11000&step=1") == "accepted");
    CHECK(
        refusal("start=0&end=11001&step=1") ==
        "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter");
  }

  TEST_CASE("api: wrong parameters are refused with Loki's texts") {
    CHECK(refusal("start=2&end=1") == "end timestamp must not be before or equal to start time");
    CHECK(refusal("start=1&end=1") == "accepted");
    CHECK(refusal("start=x") == "could not parse 'start' parameter: strconv.ParseInt: parsing \"x\": invalid syntax");
    CHECK(refusal("limit=0") == "limit must be a positive value");
    CHECK(refusal("limit=ten") == "strconv.Atoi: parsing \"ten\": invalid syntax");
    CHECK(refusal("direction=sideways") == "invalid direction 'sideways'");
    CHECK(refusal("interval=-1") == "interval must be >= 0");
    CHECK(refusal("since=1.5h").starts_with("could not parse 'since' parameter: "));
    CHECK(range("direction=FORWARD")->direction == Direction::kForward);
  }
}
