#include "server/tail/live_entries.h"

#include <doctest/doctest.h>

#include "pipeline/base/concat.h"
#include "server/tail/testing/pushes.h"

using namespace server;
using pipeline::concat;

namespace {

// A head that gives what the feed would tell, and a tail of `query`.
struct LiveFixture {
  explicit LiveFixture(std::string query, std::string_view flags = "") {
    pipeline::HttpRequest http;
    http.method = "GET";
    http.query = concat("query=", pipeline::percent_encode(query));
    request = *parse_tail_request(*pipeline::HttpForm::of(http), flags, 0);
    format.emplace(false, request.flags);
    live = *LiveEntries::create(request, *format);
  }
  std::vector<LiveRun> push(std::shared_ptr<const Stream> stream,
                            std::vector<std::pair<int64_t, std::string>> entries) {
    std::vector<HeadAddition> added;
    head.add(push_of(std::move(stream), entries), "t", ++frame, std::nullopt, &added);
    std::vector<LiveRun> runs;
    for (const HeadAddition& addition : added) {
      if (live->wants(*addition.stream)) runs.push_back({frame, addition});
    }
    return runs;
  }
  std::string shown(const std::vector<LiveRun>& runs, const TailHistory& history = {}) {
    std::string out;
    for (const TailEntry& entry : live->process(runs, history)) out += concat(entry.text, "\n");
    return out;
  }
  Head head;
  uint64_t frame = 0;
  TailRequest request;
  std::optional<TailFormat> format;
  std::unique_ptr<LiveEntries> live;
};

}  // namespace

TEST_SUITE_BEGIN("server/tail");

TEST_CASE("live entries: without a pipeline the labels are the stream's alone, as in Loki") {
  LiveFixture f("{app=~\"a.*\"}");
  CHECK(f.shown(f.push(stream_of("t", {{"app", "api"}}), {{2, "two"}, {1, "one"}})) ==
        "{\"stream\":{\"app\":\"api\"},\"values\":[[\"2\",\"two\"]]}\n"
        "{\"stream\":{\"app\":\"api\"},\"values\":[[\"1\",\"one\"]]}\n");
  CHECK(f.push(stream_of("t", {{"app", "web"}}), {{3, "three"}}).empty());
  CHECK(f.push(stream_of("t", {{"app", "web"}}), {{4, "remembered as unwanted"}}).empty());
}

TEST_CASE("live entries: a pipeline filters, formats and adds labels") {
  LiveFixture f("{app=\"api\"} | logfmt | level=\"error\" | line_format \"{{.msg}}\"");
  CHECK(f.shown(f.push(stream_of("t", {{"app", "api"}}), {{1, "level=info msg=no"}, {2, "level=error msg=yes"}})) ==
        "{\"stream\":{\"app\":\"api\",\"level\":\"error\",\"msg\":\"yes\",\"trace\":\"1\"},\"values\":[[\"2\",\"yes\"]]"
        "}\n");
}

TEST_CASE("live entries: labels apart where the client asked for it") {
  LiveFixture f("{app=\"api\"} | logfmt", "categorize-labels");
  CHECK(f.shown(f.push(stream_of("t", {{"app", "api"}}), {{1, "a=1"}})) ==
        "{\"stream\":{\"app\":\"api\"},\"values\":[[\"1\",\"a=1\",{\"structuredMetadata\":{\"trace\":\"1\"},"
        "\"parsed\":{\"a\":\"1\"}}]]}\n");
}

TEST_CASE("live entries: an entry that is sent again is shown once; another stream's is another") {
  LiveFixture f("{app=~\".+\"}");
  const auto api = stream_of("t", {{"app", "api"}}), web = stream_of("t", {{"app", "web"}});
  CHECK(f.shown(f.push(api, {{1, "x"}, {1, "y"}, {1, "x"}})).find("\"x\"") != std::string::npos);
  CHECK(f.shown(f.push(api, {{1, "x"}, {1, "y"}})).empty());
  CHECK(f.shown(f.push(stream_of("t", {{"app", "api"}}), {{1, "x"}})).empty());
  CHECK_FALSE(f.shown(f.push(web, {{1, "x"}})).empty());
  CHECK_FALSE(f.shown(f.push(api, {{2, "x"}})).empty());
}

TEST_CASE("live entries: what the history has seen is left out, by frame and time") {
  LiveFixture f("{app=\"api\"}");
  const auto api = stream_of("t", {{"app", "api"}});
  std::vector<LiveRun> runs;
  for (const auto& run : f.push(api, {{9, "before its times"}, {10, "seen"}, {20, "after its times"}}))
    runs.push_back(run);
  for (const auto& run : f.push(api, {{11, "seen too"}})) runs.push_back(run);
  for (const auto& run : f.push(api, {{12, "came later"}})) runs.push_back(run);
  const std::string shown = f.shown(runs, {.entries = {}, .last_frame = 2, .begin = 10, .end = 20});
  CHECK(shown.find("seen") == std::string::npos);
  for (const char* line : {"before its times", "after its times", "came later"}) {
    CHECK(shown.find(line) != std::string::npos);
  }
}

TEST_CASE("live entries: many label sets and many streams are forgotten, not kept for ever") {
  LiveFixture f("{app=\"api\"} | logfmt");
  const auto api = stream_of("t", {{"app", "api"}});
  int64_t time = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<std::pair<int64_t, std::string>> entries;
    for (int i = 0; i < 15'000; ++i, ++time) entries.emplace_back(time, concat("id=", time));
    CHECK(f.live->process(f.push(api, entries), {}).size() == 15'000);
  }
}

TEST_CASE("live entries: a pipeline that does not compile is refused") {
  TailRequest request;
  request.expr =
      *[] {
        pipeline::HttpRequest http;
        http.method = "GET";
        http.query = "query={a=\"b\"}";
        return parse_tail_request(*pipeline::HttpForm::of(http), "", 0);
      }()
           .transform([](TailRequest r) { return std::move(r.expr); });
  request.expr.stages.emplace_back(LineFormatStage{"{{"});
  const TailFormat format(false, {});
  auto live = LiveEntries::create(request, format);
  REQUIRE_FALSE(live.has_value());
  CHECK(live.error().code == pipeline::Errc::kInvalid);
}

TEST_SUITE_END();
