#include "agent/stream/stream_reader.h"

#include <atomic>
#include <doctest/doctest.h>
#include <mutex>
#include <thread>

#include "agent/sink/progress.h"
#include "pipeline/config/config.h"
#include "pipeline/match/relabel.h"
#include "pipeline/match/relabel_config.h"
#include "pipeline/stage/stage_list.h"

namespace agent {
namespace {

using namespace std::chrono_literals;
using pipeline::LabelSet;

// A sink that acknowledges what the test wants it to.
struct TestSink {
  std::mutex mutex;
  Progress progress{{}, [](FilePosition) { FAIL("a stream has no first position"); }};
  std::vector<std::string> lines;  // with labels, as `{...} line`
  std::vector<pipeline::UnixNanos> times;
  std::vector<FileId> streams;
  std::vector<LostEntries> lost;
  Progress::Hold hold = 0;
  bool open = false;
  std::atomic<bool> full{false};
  std::atomic<int> closes{0};

  class Port final : public SinkPort {
   public:
    explicit Port(TestSink& sink) : sink_(sink) {}
    void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles*) override {
      std::lock_guard lock(sink_.mutex);
      for (size_t i = 0; i < batch.size(); i++) {
        if (!sink_.open) sink_.hold = sink_.progress.new_hold();
        sink_.open = true;
        for (const pipeline::ByteRange& origin : batch.origins_of(i))
          sink_.progress.hold(sink_.hold, passed.file, origin.begin);
        sink_.lines.push_back(batch.label_sets->text(batch.labels[i]) + " " + std::string(batch.lines[i]));
        sink_.times.push_back(batch.times[i]);
      }
      sink_.streams = {passed.file};
      sink_.progress.pass(passed);
    }
    std::vector<LostEntries> take_lost(FileId) override {
      std::lock_guard lock(sink_.mutex);
      return std::exchange(sink_.lost, {});
    }
    const KeptRanges::OfFile* kept(FileId) const override { return nullptr; }
    std::optional<FilePosition> position(FileId file) const override { return sink_.progress.position(file); }
    bool full() const override { return sink_.full; }
    std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
    void close_due(std::chrono::nanoseconds) override {}
    void close_all() override { sink_.closes++; }
    std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override { return nullptr; }

   private:
    TestSink& sink_;
  };

  void lose(LostEntries entries) {
    std::lock_guard lock(mutex);
    lost.push_back(std::move(entries));
  }
  void ack() {
    std::lock_guard lock(mutex);
    if (open) progress.release(hold, streams);
    open = false;
  }
  size_t count() {
    std::lock_guard lock(mutex);
    return lines.size();
  }
};

struct Fixture {
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  MemoryBudget memory{64 << 20};
  pipeline::SystemClock clock;
  pipeline::Registry metrics;
  std::vector<std::unique_ptr<TestSink>> sinks;
  std::vector<bool> told;
  std::unique_ptr<StreamReader> reader;

  explicit Fixture(std::string_view stages = "", size_t sink_count = 1) {
    auto source = options(stages);
    for (size_t i = 0; i < sink_count; i++) source->sinks.push_back(i);
    reader = std::make_unique<StreamReader>(*loop, source, memory, clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    for (size_t i = 0; i < sink_count; i++) {
      sinks.push_back(std::make_unique<TestSink>());
      ports.push_back(std::make_unique<TestSink::Port>(*sinks.back()));
    }
    reader->set_ports(std::move(ports));
  }

  std::shared_ptr<SourceOptions> options(std::string_view text) {
    auto source = std::make_shared<SourceOptions>();
    source->name = "net";
    source->type = SourceType::kStream;
    source->labels = {{"site", "a"}};
    auto document = pipeline::ConfigDocument::parse(text, "test.toml", {});
    REQUIRE(document);
    auto root = document->root();
    source->relabel = std::make_shared<const pipeline::RelabelRules>(pipeline::read_relabel_rules(root, "relabel"));
    source->stages = pipeline::StageList::build(root, "stage");
    REQUIRE(document->finish());
    return source;
  }

  void take(std::vector<std::string> lines, LabelSet labels = LabelSet::from({{"app", "x"}}), uint64_t lane = 0,
            pipeline::UnixNanos time = 0) {
    Parcel parcel;
    parcel.lane = lane;
    size_t set = parcel.add_labels(std::move(labels));
    for (const std::string& line : lines) parcel.add(set, time, line);
    reader->take(std::move(parcel), [this](bool settled) { told.push_back(settled); });
  }
  template <class F>
  bool until(F true_at_last) {
    for (int i = 0; i < 500 && !true_at_last(); i++) loop->turn(10ms);
    return true_at_last();
  }
};

TEST_SUITE("agent/stream") {
  TEST_CASE("stream: a parcel is settled when its sink has acknowledged it, not before") {
    Fixture f;
    f.reader->start();
    f.take({"one", "two"});
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 2; }));
    CHECK(f.sinks[0]->lines[0] == R"({app="x", site="a"} one)");
    for (int i = 0; i < 5; i++) f.loop->turn(10ms);
    CHECK(f.told.empty());
    f.sinks[0]->ack();
    f.reader->wake();
    CHECK(f.until([&] { return f.told == std::vector<bool>{true}; }));
  }

  TEST_CASE("stream: what stages hold counts in the memory, and is handed on early when all of that is used") {
    Fixture f(R"(
[[stage]]
type = "multiline"
firstline = "^first"
max_lines = 10000
max_wait_time = "1h"
)");
    f.memory.set_limit(100'000);
    f.reader->start();
    std::vector<std::string> lines(400, std::string(100, 'x'));
    lines[0] = "first";
    f.take(lines);
    REQUIRE(f.until([&] { return f.memory.used_bytes() > 30'000 && f.memory.used_bytes() < 90'000; }));
    CHECK(f.sinks[0]->count() == 0);
    CHECK(f.metrics.render().find("skidway_agent_source_held_bytes{source=\"net\"} 0\n") == std::string::npos);
    f.memory.add(100'000);  // somebody else needs all of it
    f.reader->wake();
    CHECK(f.until([&] { return f.sinks[0]->count() == 1; }));
    CHECK(f.until([&] { return f.memory.used_bytes() == 100'000; }));
    CHECK(f.metrics.render().find("skidway_agent_source_held_entries_early_total{source=\"net\"} 1\n") !=
          std::string::npos);
  }

  TEST_CASE("stream: the account says what was received, acked, waits, and was dropped by what") {
    Fixture f(R"(
[[relabel]]
source_labels = ["app"]
regex = "noise"
action = "drop"
[[stage]]
type = "drop"
expression = "probe"
drop_counter_reason = "probe"
)",
              2);
    auto line = [&](size_t sink, const std::string& origin) {
      std::vector<StreamAccount::Sink> places;
      for (size_t i = 0; i < f.sinks.size(); i++) {
        auto position = f.sinks[i]->progress.position(f.reader->stream());
        places.push_back({i, std::to_string(i), position ? position->position : 0});
      }
      for (const StreamLine& one : f.reader->account().lines(places))
        if (one.sink == std::to_string(sink) && one.origin == origin) return one;
      return StreamLine();
    };
    f.reader->start();
    f.take({"one", "probe", "three"});
    f.take({"x", "y"}, LabelSet::from({{"app", "noise"}}));
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 2 && f.sinks[1]->count() == 2; }));
    REQUIRE(f.until([&] { return line(0, "").dropped.size() == 2; }));
    CHECK(line(0, "").received == EntryVolume{5, 15});
    CHECK(line(0, "").dropped[0] == DroppedEntries{"stages:probe", {1, 5}, ""});
    CHECK(line(0, "").dropped[1] == DroppedEntries{"relabel:dropped by the relabel rules", {2, 2}, ""});
    CHECK(line(0, "").waiting.entries == 2);
    f.sinks[0]->ack();
    f.reader->wake();
    CHECK(f.until([&] { return line(0, "").acked == EntryVolume{2, 8}; }));
    CHECK(line(1, "").waiting.entries == 2);
    f.sinks[1]->ack();
    f.reader->wake();
    CHECK(f.until([&] { return f.told.size() == 2; }));
    CHECK(line(1, "").acked == EntryVolume{2, 8});
  }

  TEST_CASE("stream: entries that wait for a full sink were received, and wait") {
    Fixture f;
    f.sinks[0]->full = true;
    f.reader->start();
    f.take({"one", "two"});
    const auto lines = f.reader->account().lines({{0, "hub", 0}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].waiting == EntryVolume{2, 6});
    CHECK(lines[0].acked == EntryVolume{});
  }

  TEST_CASE("stream: what a sink refuses is in the account before it is settled, by whose it was") {
    Fixture f;
    f.reader->start();
    f.take({"one", "two"});
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 2; }));
    f.sinks[0]->lose({{{2, 3}}, 1, 1, "sink:line_too_long", "too long"});
    f.sinks[0]->ack();
    f.reader->wake();
    REQUIRE(f.until([&] { return !f.told.empty(); }));
    const auto lines = f.reader->account().lines({{0, "hub", 3}});
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].dropped == std::vector<DroppedEntries>{{"sink:line_too_long", {1, 3}, "too long"}});
    CHECK(lines[0].acked == EntryVolume{1, 3});
  }

  TEST_CASE("stream: with two sinks both must have it") {
    Fixture f("", 2);
    f.reader->start();
    f.take({"one"});
    REQUIRE(f.until([&] { return f.sinks[0]->count() + f.sinks[1]->count() == 2; }));
    f.sinks[1]->ack();
    f.reader->wake();
    for (int i = 0; i < 5; i++) f.loop->turn(10ms);
    CHECK(f.told.empty());
    f.sinks[0]->ack();
    f.reader->wake();
    CHECK(f.until([&] { return f.told.size() == 1; }));
  }

  TEST_CASE("stream: what relabelling or a stage drops is settled by that") {
    Fixture f(R"(
[[relabel]]
source_labels = ["app"]
regex = "noise"
action = "drop"
[[stage]]
type = "drop"
expression = "debug"
)");
    f.reader->start();
    f.take({"a"}, LabelSet::from({{"app", "noise"}}));
    f.take({"debug b"});
    CHECK(f.until([&] { return f.told == std::vector<bool>{true, true}; }));
    CHECK(f.sinks[0]->count() == 0);
    std::string page = f.metrics.render();
    CHECK(page.find(R"(skidway_agent_dropped_lines_total{reason="relabel",source="net"} 1)") != std::string::npos);
  }

  TEST_CASE("stream: reserved labels do not go on, the tenant does") {
    Fixture f;
    f.reader->start();
    f.take({"one"}, LabelSet::from({{"__syslog_message_app", "y"}, {"__tenant_id__", "t"}, {"app", "x"}}));
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 1; }));
    CHECK(f.sinks[0]->lines[0] == R"({__tenant_id__="t", app="x", site="a"} one)");
  }

  TEST_CASE("stream: an entry without any label gets its source's type as job") {
    Fixture f;
    auto bare = f.options("");
    bare->sinks = {0};
    bare->labels.clear();
    bare->stream_type = "syslog";
    f.reader->change(bare, {});
    f.reader->start();
    f.take({"one"}, LabelSet::from({{"__syslog_message_hostname", "y"}, {"__tenant_id__", "t"}}));
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 1; }));
    CHECK(f.sinks[0]->lines[0] == R"({__tenant_id__="t", job="syslog"} one)");
  }

  TEST_CASE("stream: what a stage holds is not settled; lanes do not mix; the end of a lane hands it on") {
    Fixture f(R"(
[[stage]]
type = "multiline"
firstline = "^START"
max_wait_time = "1h"
)");
    f.reader->start();
    f.take({"START a"}, LabelSet::from({{"app", "x"}}), 1);
    f.take({"START b"}, LabelSet::from({{"app", "x"}}), 2);
    f.take({"  a2"}, LabelSet::from({{"app", "x"}}), 1);
    for (int i = 0; i < 5; i++) f.loop->turn(10ms);
    CHECK(f.told.empty());
    CHECK(f.sinks[0]->count() == 0);
    for (uint64_t lane : {1, 2}) {
      Parcel end;
      end.lane = lane;
      end.ends_lane = true;
      f.reader->take(std::move(end));
    }
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 2; }));
    CHECK(f.sinks[0]->lines[0] == "{app=\"x\", site=\"a\"} START a\n  a2");
    f.sinks[0]->ack();
    f.reader->wake();
    CHECK(f.until([&] { return f.told == std::vector<bool>{true, true, true}; }));
  }

  TEST_CASE("stream: a waiting client has its batch closed soon") {
    Fixture f;
    f.reader->start();
    Parcel parcel;
    parcel.client_waits = true;
    parcel.add(parcel.add_labels(LabelSet::from({{"app", "x"}})), 5, "one");
    f.reader->take(std::move(parcel), [&](bool settled) { f.told.push_back(settled); });
    CHECK(f.until([&] { return f.sinks[0]->closes > 0; }));
    CHECK(f.sinks[0]->times == std::vector<pipeline::UnixNanos>{5});
  }

  TEST_CASE("stream: a full sink pauses it, a full queue says so, and room is told") {
    Fixture f;
    bool room = false;
    f.reader->on_room([&] { room = true; });
    f.sinks[0]->full = true;
    f.reader->start();
    std::string large(1 << 20, 'x');
    for (int i = 0; i < 5; i++) f.take({large});
    CHECK(f.reader->full());
    for (int i = 0; i < 5; i++) f.loop->turn(10ms);
    CHECK(f.sinks[0]->count() == 0);
    CHECK_FALSE(room);
    f.sinks[0]->full = false;
    f.reader->wake();
    CHECK(f.until([&] { return room; }));
    CHECK(f.until([&] { return f.sinks[0]->count() == 5; }));
    CHECK(f.sinks[0]->lines[0].size() < 300 << 10);  // cut at max_line_bytes
  }

  TEST_CASE("stream: at the end everything taken goes on; what is not acknowledged is told so") {
    Fixture f(R"(
[[stage]]
type = "multiline"
firstline = "^START"
max_wait_time = "1h"
)");
    f.reader->start();
    f.take({"START a"});
    f.take({"START b"});
    f.reader->stop();
    CHECK(f.sinks[0]->count() == 2);
    SUBCASE("acknowledged after the thread has ended") {
      f.sinks[0]->ack();
      f.reader->wake();
      CHECK(f.until([&] { return f.told == std::vector<bool>{true, true}; }));
      CHECK_FALSE(f.reader->waiting());
    }
    SUBCASE("not acknowledged") {
      CHECK(f.reader->waiting());
      f.reader->give_up();
      CHECK(f.told == std::vector<bool>{false, false});
    }
  }

  TEST_CASE("stream: at the end the last entries go on once, with no stages to go through too") {
    Fixture f;
    auto bare = f.options("");
    bare->sinks = {0};
    bare->stages = nullptr;
    f.reader->change(bare, {});
    f.reader->start();
    f.take({"a", "b"});
    f.reader->stop();
    CHECK(f.sinks[0]->count() == 2);
  }

  TEST_CASE("stream: other labels and stages count from the next parcel on; what the old stages held goes on") {
    Fixture f(R"(
[[stage]]
type = "multiline"
firstline = "^START"
max_wait_time = "1h"
)");
    f.reader->start();
    f.take({"START a"});
    REQUIRE(f.until([&] { return f.reader->waiting(); }));
    auto next = f.options("[[stage]]\ntype = \"static_labels\"\nvalues = { new = \"yes\" }\n");
    next->sinks = {0};
    while (f.metrics.render().find("skidway_agent_source_read_lines_total{source=\"net\"} 1") == std::string::npos)
      std::this_thread::sleep_for(1ms);
    f.reader->change(next, {});
    f.take({"b"});
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 2; }));
    CHECK(f.sinks[0]->lines ==
          std::vector<std::string>{R"({app="x", site="a"} START a)", R"({app="x", new="yes", site="a"} b)"});
  }

  TEST_CASE("stream: memory is given back") {
    Fixture f;
    f.sinks[0]->full = true;
    f.reader->start();
    f.take({std::string(100'000, 'x')});
    CHECK(f.memory.used_bytes() >= 100'000);
    f.sinks[0]->full = false;
    f.reader->wake();
    REQUIRE(f.until([&] { return f.sinks[0]->count() == 1; }));
    f.reader->stop();
    CHECK(f.memory.used_bytes() == 0);
  }
}

}  // namespace
}  // namespace agent
