#include "server/query/query_admission.h"

#include <doctest/doctest.h>

#include "server/logql/parser.h"
#include "server/query/limited_turn.h"

using namespace server;
using std::chrono::hours;
using std::chrono::minutes;

namespace {

std::string refusal_of(const TenantLimits& limits, const std::string& query) {
  auto expr = parse_query(query);
  REQUIRE(expr.has_value());
  auto checked = check_query(limits, *expr, query);
  if (!checked) CHECK(checked.error().code == pipeline::Errc::kInvalid);
  return checked ? "" : checked.error().message;
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: required labels and a number of labels are asked for with Loki's texts") {
    TenantLimits limits;
    limits.required_labels = {"app", "env"};
    CHECK(refusal_of(limits, R"({app="a", env="b"})") == "");
    CHECK(refusal_of(limits, R"({app="a", pod="b"})") ==
          "stream selector is missing required matchers [env], labels present in the query were [app, pod]");
    CHECK(refusal_of(limits, R"(sum(rate({app="a",env="x"}[1m])) / sum(rate({pod="b"}[1m])))") ==
          "stream selector is missing required matchers [app, env], labels present in the query were [pod]");
    CHECK(refusal_of(limits, "vector(1)") == "");
    limits.required_labels = {};
    limits.minimum_labels_number = 2;
    CHECK(refusal_of(limits, R"({app="a", env="b"})") == "");
    CHECK(refusal_of(limits, R"({app="a"})") ==
          "stream selector has less label matchers than required: (present: [app], number_present: 1, "
          "required_number_label_matchers: 2)");
  }

  TEST_CASE("query: a range above max_query_range is refused, at any depth") {
    TenantLimits limits;
    limits.max_query_range = hours(1);
    CHECK(refusal_of(limits, R"(rate({app="a"}[1h]))") == "");
    CHECK(refusal_of(limits, R"(topk(1, sum by (x) (rate({app="a"}[1d]))))") ==
          "[interval] value exceeds limit: [1d] > [1h]");
    CHECK(refusal_of(limits, R"({app="a"})") == "");
  }

  TEST_CASE("query: too many matchers in any selector are refused") {
    TenantLimits limits;
    limits.max_streams_matchers_per_query = 1;
    CHECK(refusal_of(limits, R"(rate({a="1"}[1m]) + rate({a="1",b="2"}[1m]))") ==
          "max streams matchers per query exceeded, matchers-count > limit (2 > 1)");
  }

  TEST_CASE("query: blocked queries are refused by text, expression, hash and kind") {
    auto blocked = [](BlockedQuery one, const std::string& query) {
      TenantLimits limits;
      limits.blocked_queries = {std::move(one)};
      return refusal_of(limits, query) == "query blocked by policy";
    };
    const std::string query = R"({app="a"} |= "x")";
    CHECK(blocked({query, false, 0, {}}, query));
    CHECK_FALSE(blocked({query, false, 0, {}}, R"({app="a"})"));
    CHECK(blocked({"app=\"[ab]\"", true, 0, {}}, query));
    CHECK_FALSE(blocked({"app=\"[ab]\"", true, 0, {"metric"}}, query));
    CHECK(blocked({"", false, 0, {"filter"}}, query));
    CHECK_FALSE(blocked({"", false, 0, {"limited", "metric"}}, query));
    CHECK(blocked({"", false, 0, {"metric"}}, R"(rate({app="a"}[1m]))"));
    CHECK(blocked({"", false, 0x1c9e5f47, {}}, query) == false);
    CHECK_FALSE(blocked({}, query));
  }

  TEST_CASE("query: more bytes than a query may read are refused, sizes as people write them") {
    TenantLimits limits;
    limits.max_query_bytes_read = 1 << 20;
    CHECK(check_bytes(limits, 1 << 20).has_value());
    CHECK(check_bytes(limits, 3'000'000'000).error().message ==
          "the query would read too many bytes (query: 2.8 GiB, limit: 1.0 MiB); consider adding more specific stream "
          "selectors or reduce the time range of the query");
    CHECK(human_bytes(0) == "0 B");
    CHECK(human_bytes(100) == "100 B");
    CHECK(human_bytes(1536) == "1.5 KiB");
    CHECK(human_bytes(12'000'000) == "11 MiB");
  }

  TEST_CASE("query: a turn with a deadline ends there, in each of its parts") {
    const std::atomic<bool> not_cancelled{false};
    LoneTurn lone(not_cancelled);
    pipeline::FakeClock clock;
    LimitedTurn turn(lone, clock, clock.monotonic() + minutes(1), 4);
    CHECK(turn.breathe().has_value());
    CHECK(turn.width() == 1);
    clock.advance(minutes(1));
    auto over = turn.breathe();
    REQUIRE_FALSE(over.has_value());
    CHECK(over.error().message == kQueryTimedOut);
    int ended = 0;
    turn.run_parts(3, [&](size_t, QueryTurn& part) { ended += !part.breathe().has_value(); });
    CHECK(ended == 3);
    LimitedTurn endless(lone, clock, std::chrono::nanoseconds(0), 0);
    CHECK(endless.breathe().has_value());
    CHECK(endless.width() == 1);
  }
}
