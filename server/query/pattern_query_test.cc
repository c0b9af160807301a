#include "server/query/pattern_query.h"

#include <doctest/doctest.h>
#include <map>

#include "server/query/testing/query_fixture.h"

using namespace server;
using pipeline::LabelSet;
using pipeline::UnixNanos;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr UnixNanos kStart = 1'700'000'000 * kSecond;

class MemoryNotes final : public PatternNotes {
 public:
  std::optional<std::string> find(const Ulid& object, std::string_view kind) override {
    auto at = notes.find({object, std::string(kind)});
    if (at == notes.end()) return std::nullopt;
    ++hits;
    return at->second;
  }
  void keep(const Ulid& object, std::string_view kind, std::string_view bytes) override {
    notes[{object, std::string(kind)}] = bytes;
  }
  std::map<std::pair<Ulid, std::string>, std::string> notes;
  int hits = 0;
};

PlainEntry entry(int64_t second, std::string line, std::string_view level = "") {
  std::string metadata;
  if (!level.empty()) {
    MetadataPair pair{"detected_level", level};
    append_metadata(metadata, {&pair, 1});
  }
  return {"t", LabelSet::from({{"app", "x"}}), kStart + second * kSecond, std::move(line), std::move(metadata)};
}

std::vector<PatternSeries> ask(QueryFixture& fixture, MemoryNotes& notes, const std::string& query, int64_t from,
                               int64_t to, int64_t step = 10) {
  const std::atomic<bool> not_cancelled{false};
  LoneTurn turn(not_cancelled);
  auto found = fixture.engine().patterns("t", query, {kStart + from * kSecond, kStart + to * kSecond, step * kSecond},
                                         notes, turn);
  REQUIRE(found.has_value());
  CHECK(found->warnings.empty());
  return std::move(found->found);
}

}  // namespace

TEST_SUITE("query") {
  TEST_CASE("query: patterns of objects and the head are joined, and an object is mined once") {
    QueryFixture fixture;
    fixture.add_object(
        {entry(0, "user 1 left", "info"), entry(5, "user 2 left", "info"), entry(12, "disk full", "error")});
    fixture.add_head({entry(15, "user 3 left", "info"), entry(90, "user 4 left", "info")});
    MemoryNotes notes;
    for (int hits : {0, 1}) {
      auto found = ask(fixture, notes, "{app=\"x\"}", 0, 60);
      CHECK(notes.hits == hits);
      CHECK(notes.notes.size() == 1);
      REQUIRE(found.size() == 2);
      CHECK(found[0].text == "user <_> left");
      CHECK(found[0].level == "info");
      CHECK(found[0].samples == std::vector<std::pair<UnixNanos, uint64_t>>{{kStart, 2}, {kStart + 10 * kSecond, 1}});
      CHECK(found[1].level == "error");
    }
    CHECK(ask(fixture, notes, "{app=\"x\"}", 0, 60, 60).at(0).samples ==
          std::vector<std::pair<UnixNanos, uint64_t>>{{kStart - kStart % (60 * kSecond), 3}});
    CHECK(ask(fixture, notes, "{app=\"x\"}", 10, 20).size() == 2);
  }

  TEST_CASE("query: patterns of another query are others, and stages are obeyed") {
    QueryFixture fixture;
    fixture.add_object({entry(0, "user 1 left"), entry(1, "disk full"), entry(2, "level=warn took=5s")});
    MemoryNotes notes;
    CHECK(ask(fixture, notes, "{app=\"x\"}", 0, 60).size() == 3);
    auto filtered = ask(fixture, notes, "{app=\"x\"} |= \"disk\"", 0, 60);
    REQUIRE(filtered.size() == 1);
    CHECK(filtered[0].level == "unknown");
    CHECK(ask(fixture, notes, "{app=\"x\"} | logfmt | level=\"warn\"", 0, 60).size() == 1);
    CHECK(notes.notes.size() == 3);
    CHECK(ask(fixture, notes, "{app=\"y\"}", 0, 60).empty());
  }

  TEST_CASE("query: patterns are found for log queries only") {
    QueryFixture fixture;
    MemoryNotes notes;
    const std::atomic<bool> not_cancelled{false};
    LoneTurn turn(not_cancelled);
    auto refused = fixture.engine().patterns("t", "rate({app=\"x\"}[1m])", {0, 1, 1}, notes, turn);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message == "only log selector is supported");
  }
}
