#include "server/erase/erasures.h"

#include <doctest/doctest.h>

using namespace server;
using pipeline::Errc;
using pipeline::LabelSet;
using std::chrono::hours;

namespace {

constexpr UnixNanos kHour = 3'600'000'000'000;
constexpr UnixNanos kNow = 500'000 * kHour;

DeleteRequest request(uint64_t number, std::string query, UnixNanos begin, UnixNanos end, std::string tenant = "t") {
  return {.number = number, .tenant = std::move(tenant), .query = std::move(query), .begin = begin, .end = end};
}

RetentionSource rules(RetentionSettings settings) {
  auto compiled = RetentionRules::compile(settings);
  REQUIRE(compiled);
  return [made = std::make_shared<const RetentionRules>(*std::move(compiled))](std::string_view) { return made; };
}

bool erased(Eraser& eraser, const LabelSet& labels, UnixNanos time, std::string_view line,
            std::vector<MetadataPair> metadata = {}) {
  EntryColumns entry;
  entry.append(time, line, metadata);
  eraser.begin_stream(labels);
  bool gone = eraser.erases(entry, 0);
  CHECK((!gone || eraser.touches(time, time)));
  return gone;
}

}  // namespace

TEST_SUITE("server/erase") {
  const LabelSet app_x = LabelSet::from({{"app", "x"}}), app_y = LabelSet::from({{"app", "y"}});

  TEST_CASE("eraser: a request takes what its selector, its filters and its times say, and nothing else") {
    Erasures erasures({request(1, R"({app="x"} |= "secret" | user="42")", 10, 20)}, 9, {}, kNow);
    Eraser eraser(erasures.of("t"), 0);
    CHECK(erased(eraser, app_x, 10, "a secret", {{"user", "42"}}));
    CHECK(eraser.erased_by() == 1);
    CHECK_FALSE(erased(eraser, app_x, 10, "a secret", {{"user", "43"}}));
    CHECK_FALSE(erased(eraser, app_x, 10, "public", {{"user", "42"}}));
    CHECK_FALSE(erased(eraser, app_x, 9, "a secret", {{"user", "42"}}));
    CHECK_FALSE(erased(eraser, app_x, 20, "a secret", {{"user", "42"}}));
    CHECK_FALSE(erased(eraser, app_y, 10, "a secret", {{"user", "42"}}));
    eraser.begin_stream(app_x);
    CHECK(eraser.needs_lines());
    CHECK_FALSE(eraser.takes_all(10, 19));
    CHECK_FALSE(eraser.touches(20, 30));
    Eraser other(erasures.of("somebody else"), 0);
    CHECK_FALSE(erased(other, app_x, 10, "a secret", {{"user", "42"}}));
  }

  TEST_CASE("eraser: what was stored after the request, or rewritten for it, is not touched") {
    Erasures erasures({request(4, R"({app="x"})", 0, 100), request(5, R"({app="y"})", 0, 100)}, 4, {}, kNow);
    Eraser before(erasures.of("t"), 3), after(erasures.of("t"), 4);
    CHECK(erased(before, app_x, 50, ""));
    CHECK_FALSE(erased(after, app_x, 50, ""));
    CHECK_FALSE(erased(before, app_y, 50, ""));  // request 5 is beyond what was asked for
    before.begin_stream(app_x);
    CHECK(before.takes_all(0, 99));
    CHECK_FALSE(before.takes_all(0, 100));
  }

  TEST_CASE("retention: of a stream's rules the highest priority wins, then the shortest period") {
    auto source = rules({hours(100),
                         {{R"({app="x"})", 1, hours(24)},
                          {R"({app=~"x|y"})", 5, hours(200)},
                          {R"({app=~".+"})", 5, hours(50)},
                          {R"({env="audit"})", 9, hours(0)}}});
    Erasures erasures({}, 0, source, kNow);
    auto tenant = erasures.of("t");
    CHECK(tenant->cutoff(app_x) == kNow - 50 * kHour);
    CHECK(tenant->cutoff(LabelSet::from({{"pod", "1"}})) == kNow - 100 * kHour);
    CHECK(tenant->cutoff(LabelSet::from({{"app", "x"}, {"env", "audit"}})) == kNoTime);
    CHECK(tenant->oldest() == kNoTime);  // something is kept for ever
    CHECK(tenant->newest() == kNow - 24 * kHour);
    Eraser eraser(tenant, UINT64_MAX);
    CHECK(erased(eraser, app_x, kNow - 50 * kHour - 1, "old"));
    CHECK(eraser.erased_by() == 0);
    CHECK_FALSE(erased(eraser, app_x, kNow - 50 * kHour, "young enough"));
    CHECK(eraser.takes_all(kNow - 90 * kHour, kNow - 51 * kHour));
  }

  TEST_CASE("retention: one period for all is one cut-off for all; none keeps everything") {
    Erasures erasures({}, 0, rules({hours(24), {}}), kNow);
    CHECK(erasures.of("t")->oldest() == kNow - 24 * kHour);
    CHECK_FALSE(erasures.of("t")->empty());
    Erasures for_ever({}, 0, rules({hours(0), {}}), kNow);
    CHECK(for_ever.of("t")->empty());
    CHECK(for_ever.of("t")->oldest() == kNoTime);
    CHECK(Erasures({}, 0, {}, kNow).of("t")->empty());
  }

  TEST_CASE("retention: a selector that is none is refused with Loki's words") {
    auto compiled = RetentionRules::compile({hours(1), {{"app=x", 1, hours(24)}}});
    REQUIRE_FALSE(compiled);
    CHECK(compiled.error().message.starts_with("invalid labels matchers: "));
  }

  TEST_CASE("erasures: a query that is no log query is refused") {
    for (const char* query : {"", "{", "rate({app=\"x\"}[1m])", "{app=\"x\"} | json |"}) {
      CAPTURE(query);
      auto rule = compile_delete(request(1, query, 0, 1));
      REQUIRE_FALSE(rule);
      CHECK(rule.error().message == "invalid query expression");
    }
  }
}
