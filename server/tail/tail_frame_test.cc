#include "server/tail/tail_frame.h"

#include <doctest/doctest.h>

using namespace server;

TEST_SUITE_BEGIN("server/tail");

TEST_CASE("tail frame: one entry a stream object, without what is empty, without a newline") {
  const TailFormat format(false, {});
  std::vector<TailEntry> entries;
  entries.push_back(
      format.entry(1'700'000'000'000'000'001, "a <b>\n", {{"app", "api"}, {"x", "\"<"}}, {{"m", "1"}}, {}));
  CHECK(entries[0].labels() == R"({"app":"api","x":"\"<"})");
  entries.push_back(format.entry(-5, "", {}, {}, {}));
  CHECK(format.frame(entries, {}) ==
        R"({"streams":[{"stream":{"app":"api","x":"\"<"},"values":[["1700000000000000001","a \u003cb\u003e\n"]]},)"
        R"({"stream":{},"values":[["-5",""]]}]})");
  CHECK(format.frame({}, {}) == R"({"streams":[]})");
}

TEST_CASE("tail frame: labels apart where the client asked for it, and its flags echoed") {
  const TailFormat format(false, {"categorize-labels", "x"});
  const std::vector<TailEntry> entries = {format.entry(1, "l", {{"a", "b"}}, {{"trace", "1"}}, {{"level", "warn"}}),
                                          format.entry(2, "l", {}, {}, {})};
  CHECK(
      format.frame(entries, {}) ==
      R"({"streams":[{"stream":{"a":"b"},"values":[["1","l",{"structuredMetadata":{"trace":"1"},"parsed":{"level":"warn"}}]]},)"
      R"({"stream":{},"values":[["2","l",{}]]}],"encodingFlags":["categorize-labels","x"]})");
}

TEST_CASE("tail frame: tells what was dropped") {
  const TailFormat format(false, {});
  const auto entry = format.entry(7, "l", {{"a", "b"}}, {}, {});
  const std::vector<DroppedEntry> dropped = {{7, std::string(entry.labels())}, {8, "{}"}};
  CHECK(format.frame({}, dropped) ==
        R"({"streams":[],"dropped_entries":[{"timestamp":"7","labels":{"a":"b"}},{"timestamp":"8","labels":{}}]})");
}

TEST_CASE("tail frame: the legacy form has label texts and RFC 3339 times") {
  const TailFormat format(true, {"categorize-labels"});
  const std::vector<TailEntry> entries = {format.entry(1'700'000'000'500'000'000, "l", {{"a", "b"}}, {{"m", "1"}}, {})};
  const std::vector<DroppedEntry> dropped = {{entries[0].time, std::string(entries[0].labels())}};
  CHECK(format.frame(entries, dropped) ==
        R"({"streams":[{"labels":"{a=\"b\"}","entries":[{"ts":"2023-11-14T22:13:20.5Z","line":"l"}]}],)"
        R"("dropped_entries":[{"timestamp":"2023-11-14T22:13:20.5Z","labels":"{a=\"b\"}"}]})");
}

TEST_SUITE_END();
