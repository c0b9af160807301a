// Memory that stages take for what they hold: it counts in memory_limit, however long their windows are.
#include <doctest/doctest.h>
#include <map>

#include "agent/source/testing/one_shard.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/stage_list.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
std::shared_ptr<const pipeline::StageList> stages_of(const std::string& toml) {
  auto document = pipeline::ConfigDocument::parse(toml, "test.toml");
  REQUIRE(document.has_value());
  auto stages = pipeline::StageList::build(document->root(), "stage");
  REQUIRE(document->finish().has_value());
  return stages;
}

constexpr const char* kDayOfDedup = "[[stage]]\ntype = \"dedup\"\nwindow = \"24h\"\nmax_entries = 10000000\n";
constexpr const char* kDayOfMultiline =
    "[[stage]]\ntype = \"multiline\"\nfirstline = '^begin'\nmax_wait_time = \"24h\"\nmax_lines = 0\n";

std::string lines_of(size_t count, const std::string& first) {
  std::string text = first;
  for (size_t i = 0; i < count; ++i) text += "line " + std::to_string(i) + std::string(90, '.') + "\n";
  return text;
}

uint64_t held(Shard& s) {
  return static_cast<uint64_t>(s.metrics.gauge("skidway_agent_source_held_bytes", "", {{"source", "test"}}).value());
}
uint64_t handed_on_early(Shard& s) {
  return s.metrics.counter("skidway_agent_source_held_entries_early_total", "", {{"source", "test"}}).value();
}
}  // namespace

TEST_SUITE("source") {
  TEST_CASE("source: what stages hold counts in the memory of the agent, until it is handed on") {
    const char* toml = nullptr;
    SUBCASE("dedup") { toml = "[[stage]]\ntype = \"dedup\"\nwindow = \"10s\"\nmax_entries = 100000\n"; }
    SUBCASE("multiline") {
      toml = "[[stage]]\ntype = \"multiline\"\nfirstline = '^begin'\nmax_wait_time = \"10s\"\nmax_lines = 0\n";
    }
    Shard s(kDefaultMaxLineBytes, stages_of(toml));
    const uint64_t before = s.memory.used_bytes();
    s.folder.append("a.log", lines_of(1000, "begin\n"));
    s.offer("a.log", "a");
    s.start();
    s.settle();
    CHECK(held(s) > 100'000);
    CHECK(held(s) < 2'000'000);
    CHECK(s.memory.used_bytes() - before == held(s));
    CHECK(s.delivered().empty());
    s.pass(11s);
    CHECK(held(s) == 0);
    CHECK(s.memory.used_bytes() == before);
    CHECK_FALSE(s.delivered().empty());
    CHECK(handed_on_early(s) == 0);
  }

  TEST_CASE("source: stages with windows of a day hand on early what they hold when the memory is used up") {
    const char* toml = nullptr;
    SUBCASE("dedup") { toml = kDayOfDedup; }
    SUBCASE("multiline") { toml = kDayOfMultiline; }
    Shard s(kDefaultMaxLineBytes, stages_of(toml));
    s.memory.set_limit(8 << 20);
    s.sink().close_at_entries = 1'000'000;
    constexpr size_t kFiles = 4, kLines = 100'000;  // 10 MB each
    for (size_t i = 0; i < kFiles; ++i) {
      const std::string name = std::to_string(i) + ".log";
      s.folder.append(name, lines_of(kLines, "begin\n"));
      s.offer(name, name);
    }
    s.start();
    uint64_t most = 0;
    for (int turn = 0; turn < 10'000; ++turn) {
      auto rest = s.shard->turn();
      most = std::max(most, s.memory.used_bytes());
      s.clock.advance(1ms);
      if (!rest || *rest >= 100ms) break;
    }
    const uint64_t in_one_turn = kFiles * (2 << 20);  // is read before memory is looked at again, and held
    CHECK(most < (8 << 20) + in_one_turn);
    CHECK(handed_on_early(s) > 0);
    for (int i = 0; i < 200 && held(s) > 0; ++i) s.pass(30min);
    CHECK(held(s) == 0);
    size_t lines = 0;
    for (const std::string& entry : s.delivered())
      lines += static_cast<size_t>(std::count(entry.begin(), entry.end(), '\n')) + 1;
    CHECK(lines == kFiles * (kLines + 1));  // none is lost or doubled
  }

  TEST_CASE("source: a file that is withdrawn, or a shard that ends, gives back the memory of its stages") {
    pipeline::FakeClock clock;
    Shard s(kDefaultMaxLineBytes, stages_of(kDayOfDedup));
    const uint64_t before = s.memory.used_bytes();
    s.folder.append("a.log", lines_of(1000, ""));
    s.folder.append("b.log", lines_of(1000, ""));
    const InodeKey a = s.offer("a.log", "a");
    s.offer("b.log", "b");
    s.start();
    s.settle();
    const uint64_t both = held(s);
    REQUIRE(both > 0);
    s.shard->withdraw(a, 0);
    CHECK(held(s) > 0);
    CHECK(held(s) < both);
    CHECK(s.memory.used_bytes() - before == held(s));
    s.shard.reset();
    CHECK(s.memory.used_bytes() < before);  // also its block's
  }
}
