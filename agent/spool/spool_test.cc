#include "agent/spool/spool.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

#include "pipeline/base/testing/forgetful_files.h"

namespace agent {
namespace {

using pipeline::concat;
using namespace std::chrono_literals;

// The disk is in memory, the lock in a real folder.
struct SpoolRun {
  std::string folder;
  pipeline::ForgetfulFiles files;
  pipeline::FakeClock clock;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  std::unique_ptr<pipeline::Registry> registry;
  std::unique_ptr<Spool> spool;
  SpoolOptions options;
  std::map<std::string, uint64_t> dropped;  // entries by reason
  uint64_t last_seq = 0;

  SpoolRun() {
    pipeline::set_log_level(pipeline::LogLevel::kError);
    char name[] = "/tmp/spool_test.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    options.limit_bytes = 1 << 20;
  }
  ~SpoolRun() {
    spool.reset();
    CHECK(loop->close());
    std::filesystem::remove_all(folder);
  }
  void open() {
    spool.reset();
    registry = std::make_unique<pipeline::Registry>();
    auto opened =
        Spool::open({*loop, files, clock, *registry}, "hub", folder, options,
                    {[this](std::string_view why, const SpoolVolume& v) { dropped[std::string(why)] += v.entries; },
                     {},
                     {},
                     {},
                     {}});
    REQUIRE(opened);
    spool = *std::move(opened);
  }
  template <class Condition>
  void run_until(Condition condition) {
    auto give_up = std::chrono::steady_clock::now() + 20s;
    while (!condition() && std::chrono::steady_clock::now() < give_up) loop->turn(50ms);
    REQUIRE(condition());
  }
  pipeline::Result<Spool::Appended> append(std::vector<std::string> bodies, bool take = false) {
    std::vector<SpoolFrame> frames;
    for (std::string& body : bodies) {
      SpoolFrame frame;
      frame.number = {1, ++last_seq};
      frame.closed = clock.wall();
      frame.entries = 1;
      frame.body = std::make_shared<const std::string>(std::move(body));
      frames.push_back(std::move(frame));
    }
    std::optional<pipeline::Result<Spool::Appended>> out;
    std::vector<bool> takes(frames.size(), take);
    spool->append(std::move(frames), std::move(takes),
                  [&](pipeline::Result<Spool::Appended> appended) { out = std::move(appended); });
    run_until([&] { return out.has_value(); });
    return *out;
  }
  std::vector<SpoolLog::Taken> take() {
    std::optional<std::vector<SpoolLog::Taken>> out;
    spool->take(1 << 30, [&](std::vector<SpoolLog::Taken> taken) { out = std::move(taken); });
    run_until([&] { return out.has_value(); });
    return *std::move(out);
  }
  bool metric(const std::string& text) const { return registry->render().find(text) != std::string::npos; }
};
}  // namespace

TEST_SUITE("agent/spool") {
  TEST_CASE("spool: nothing is made on disk before there is something to write") {
    SpoolRun run;
    run.open();
    CHECK(run.files.operations() == 0);
    CHECK(run.take().empty());
    CHECK(run.files.operations() == 0);
  }

  TEST_CASE("spool: what was appended is told by metrics, taken after a restart, and gone when done") {
    SpoolRun run;
    run.open();
    REQUIRE(run.append({"a", "b"}));
    CHECK(run.metric("skidway_agent_spool_frames{sink=\"hub\"} 2\n"));
    CHECK(run.metric("skidway_agent_spool_appended_frames_total{sink=\"hub\"} 2\n"));
    run.clock.advance(90s);
    CHECK(run.metric("skidway_agent_spool_oldest_age_seconds{sink=\"hub\"} 90\n"));
    run.open();
    CHECK(run.spool->find({{1, 2}, {1, 3}}) == std::set<BatchNumber>{{1, 2}});
    CHECK(run.metric("skidway_agent_spool_frames{sink=\"hub\"} 2\n"));
    auto taken = run.take();
    REQUIRE(taken.size() == 2);
    for (auto& t : taken) run.spool->done(t.id);
    run.run_until([&] { return run.spool->status().bytes == 0; });
    CHECK(run.metric("skidway_agent_spool_drained_frames_total{sink=\"hub\"} 2\n"));
    CHECK(run.metric("skidway_agent_spool_oldest_age_seconds{sink=\"hub\"} 0\n"));
    run.open();
    CHECK(run.take().empty());
  }

  TEST_CASE("spool: at the limit it takes no more, and goes on when there is room") {
    SpoolRun run;
    run.options.limit_bytes = 300'000;
    run.open();
    std::string large(90'000, 'x');
    auto first = run.append({large, large, large, large, large});
    REQUIRE(first);
    CHECK(first->ids.size() == 3);
    CHECK(run.append({large})->ids.empty());
    CHECK(run.spool->status().bytes <= 300'000);
    for (auto& t : run.take()) run.spool->done(t.id);
    run.run_until([&] { return run.spool->status().bytes == 0; });
    CHECK(run.append({large})->ids.size() == 1);
    CHECK(run.dropped.empty());
  }

  TEST_CASE("spool: at the limit it drops the oldest if that was asked for, and counts it") {
    SpoolRun run;
    run.options.limit_bytes = 300'000;
    run.options.when_full = SpoolWhenFull::kDropOldest;
    run.open();
    std::string large(90'000, 'x');
    for (int i = 0; i < 5; i++) CHECK(run.append({concat(i, large)})->ids.size() == 1);
    CHECK(run.dropped["spool_full"] == 2);
    CHECK(run.metric("skidway_agent_spool_dropped_entries_total{reason=\"spool_full\",sink=\"hub\"} 2\n"));
    auto taken = run.take();
    REQUIRE(taken.size() == 3);
    CHECK(taken[0].frame.body->front() == '2');
  }

  TEST_CASE("spool: drops what is older than max_age") {
    SpoolRun run;
    run.options.max_age = 1min;
    run.open();
    REQUIRE(run.append({"old"}));
    run.clock.advance(2min);
    REQUIRE(run.append({"new"}));
    auto taken = run.take();
    REQUIRE(taken.size() == 1);
    CHECK(*taken[0].frame.body == "new");
    CHECK(run.dropped["spool_max_age"] == 1);
  }

  TEST_CASE("spool: says when the disk is full, and that nothing was spooled") {
    SpoolRun run;
    run.open();
    REQUIRE(run.append({"a"}));
    run.files.fill_disk_after(10);
    auto refused = run.append({"b"});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == pipeline::Errc::kOverLimit);
    CHECK(run.metric("skidway_agent_spool_append_failures_total{sink=\"hub\"} 1\n"));
    run.files.fill_disk_after(1 << 20);
    REQUIRE(run.append({"b"}));
    CHECK(run.take().size() == 2);
  }

  TEST_CASE("spool: a second process is kept out of the folder") {
    SpoolRun run;
    run.open();
    REQUIRE(run.append({"a"}));
    auto second = Spool::open({*run.loop, run.files, run.clock, *run.registry}, "hub", run.folder, run.options,
                              {[](std::string_view, const SpoolVolume&) {}, {}, {}, {}, {}});
    REQUIRE_FALSE(second);
    CHECK(second.error().message.find("in use by process") != std::string::npos);
  }

  TEST_CASE("spool: folder names keep sinks apart and can be read back") {
    CHECK(spool_folder_name("hub-1.b") == "hub-1.b");
    CHECK(spool_folder_name("..") == "%2E.");
    CHECK(spool_folder_name("a/b c%") == "a%2Fb%20c%25");
    for (const char* name : {"hub", "..", "a/b c%", "ä"}) CHECK(spool_sink_name(spool_folder_name(name)) == name);
  }
}

}  // namespace agent
