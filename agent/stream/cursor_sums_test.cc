// Cursors of a stream and the sums of its account, over ends of the agent in which everything in memory is lost.
#include <atomic>
#include <doctest/doctest.h>
#include <filesystem>
#include <random>
#include <unistd.h>

#include "agent/stream/stream_cursors.h"
#include "agent/stream/stream_reader.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/stage_list.h"

namespace agent {
namespace {

using namespace std::chrono_literals;

// Acknowledges what the test wants it to.
class Port final : public SinkPort {
 public:
  explicit Port(std::atomic<uint64_t>& position) : position_(position) {}
  void append(const pipeline::Batch&, const FilePosition&, const ElderFiles*) override {}
  const KeptRanges::OfFile* kept(FileId) const override { return nullptr; }
  std::optional<FilePosition> position(FileId file) const override { return FilePosition{file, position_, 0}; }
  bool full() const override { return false; }
  std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
  void close_due(std::chrono::nanoseconds) override {}
  void close_all() override {}
  std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override { return nullptr; }

 private:
  std::atomic<uint64_t>& position_;
};

// A log of numbered lines that is read from a cursor: how many of them are settled.
struct Log {
  static std::string line(uint64_t number) {
    return (number % 3 == 0 ? "debug " : "line ") + std::string(number % 7, 'x');
  }
  static uint64_t bytes(uint64_t count) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < count; i++) sum += line(i).size();
    return sum;
  }
  static uint64_t dropped(uint64_t count) { return (count + 2) / 3; }
};

struct Fixture {
  std::string folder;
  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  MemoryBudget memory{64 << 20};
  pipeline::SystemClock clock;
  std::unique_ptr<pipeline::Registry> metrics;
  std::unique_ptr<CheckpointStore> store;
  std::unique_ptr<StreamReader> reader;
  std::atomic<uint64_t> position{1};
  uint64_t read = 0, settled = 0;  // of the log
  uint64_t begun = 0;              // where this run began
  std::vector<uint64_t> ends;      // of parcels that are not settled, in the log

  Fixture() {
    char name[] = "/tmp/sums.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
    begin();
  }
  ~Fixture() {
    kill();
    std::filesystem::remove_all(folder);
  }

  StreamCursors cursors() { return {*store, "log", "hub"}; }
  std::vector<StreamAccount::Sink> sinks() { return {{0, "hub", position}}; }
  std::vector<StreamLine> saved_lines() { return stream_ledger_of(store->cursors(kLedgerCursors), "log"); }
  uint64_t saved_cursor() {
    auto saved = cursors().saved();
    return saved.empty() ? 0 : std::stoull(saved.at("at"));
  }

  void begin() {
    metrics = std::make_unique<pipeline::Registry>();
    store = *CheckpointStore::open({folder + "/checkpoints.db", {"hub"}, 1h}, *metrics);
    auto source = std::make_shared<SourceOptions>();
    source->name = "log";
    source->type = SourceType::kStream;
    source->can_be_read_again = true;
    source->sinks = {0};
    auto document = pipeline::ConfigDocument::parse(R"(
[[stage]]
type = "drop"
expression = "debug"
)",
                                                    "test.toml", {});
    REQUIRE(document);
    source->stages = pipeline::StageList::build(document->root(), "stage");
    REQUIRE(document->finish());
    reader = std::make_unique<StreamReader>(*loop, source, memory, clock, *metrics);
    position = 1, ends.clear();
    reader->account().resume(saved_lines(), sinks());
    read = settled = begun = saved_cursor();
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(std::make_unique<Port>(position));
    reader->set_ports(std::move(ports));
    reader->start();
  }
  // What is in memory is gone; what the store was asked to write is written.
  void kill() {
    reader.reset();
    store.reset();
    loop->turn(0ms);
  }

  void take(size_t count) {
    Parcel parcel;
    const size_t set = parcel.add_labels(pipeline::LabelSet::from({{"app", "x"}}));
    for (size_t i = 0; i < count; i++) parcel.add(set, 0, Log::line(read++));
    ends.push_back(read);
    reader->take(std::move(parcel), [this, cursors = cursors(), end = read](bool done) {
      if (!done) return;
      settled = end;
      cursors.save("at", std::to_string(end));
    });
  }
  // The sink has everything of the log below `end`.
  void acknowledge(uint64_t end) {
    position = end - begun + 1;
    uint64_t expected = settled;
    while (!ends.empty() && ends.front() <= end) {
      expected = ends.front();
      ends.erase(ends.begin());
    }
    reader->wake();
    const auto give_up = std::chrono::steady_clock::now() + 20s;
    while (settled != expected && std::chrono::steady_clock::now() < give_up) loop->turn(10ms);
    REQUIRE(settled == expected);
  }
  void write() { StreamCursors::write(*store, "log", reader->account().saved_lines(sinks())); }

  // The next start: its sums are those of what the cursor has passed.
  void check_restart() {
    kill();
    begin();
    const auto lines = saved_lines();
    StreamLine sum = lines.empty() ? StreamLine() : lines.at(0);
    const uint64_t cursor = saved_cursor();
    EntryVolume passed = sum.acked, dropped;
    for (const DroppedEntries& d : sum.dropped) dropped.add(d.volume);
    passed.add(dropped);
    REQUIRE(passed == EntryVolume{cursor, Log::bytes(cursor)});
    REQUIRE(dropped.entries == Log::dropped(cursor));
    EntryVolume all = passed;
    all.add(sum.waiting);
    REQUIRE(all == sum.received);
  }
};

TEST_SUITE("agent/stream") {
  TEST_CASE("cursor and sums: an end right after a cursor was saved forgets neither, nor counts twice") {
    Fixture f;
    f.take(10);
    f.acknowledge(10);
    f.write();
    f.take(5);
    f.take(7);
    f.acknowledge(17);  // the first of the two, and some of the second
    CHECK(f.cursors().saved().at("at") == "15");
    f.check_restart();
    CHECK(f.saved_cursor() == 10);
    f.take(5);
    f.take(7);
    f.acknowledge(17);
    f.write();
    f.check_restart();
    CHECK(f.saved_cursor() == 15);
    CHECK(f.saved_lines().at(0).waiting.entries == 7);
  }

  TEST_CASE("cursor and sums: they belong together, whenever the agent ends") {
    const uint64_t seed = std::random_device()();
    INFO("seed ", seed);
    std::mt19937_64 random(seed);
    Fixture f;
    for (int step = 0; step < 400; step++) {
      switch (random() % 8) {
        case 0:
        case 1:
        case 2: f.take(1 + random() % 9); break;
        case 3:
        case 4: f.acknowledge(f.settled + random() % (f.read - f.settled + 1)); break;
        case 5:
        case 6: f.write(); break;
        default:
          if (random() % 3 == 0) f.check_restart();
      }
    }
    f.acknowledge(f.read);
    f.write();
    const uint64_t all = f.read;
    f.check_restart();
    CHECK(f.saved_cursor() == all);
  }
}

}  // namespace
}  // namespace agent
