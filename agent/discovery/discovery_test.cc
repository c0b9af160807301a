// Discovery on a real loop with real readers: short, since it waits for real time.
#include "agent/discovery/discovery.h"

#include <doctest/doctest.h>

#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"
#include "pipeline/loop/loop.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;

namespace {
// Counts lines; its calls come from the reader's thread.
class CountingPort final : public SinkPort {
 public:
  explicit CountingPort(std::atomic<uint64_t>& lines, std::atomic<bool>& full) : lines_(lines), full_(full) {}
  void append(const pipeline::Batch& batch, const FilePosition&, const ElderFiles*) override { lines_ += batch.size(); }
  const KeptRanges::OfFile* kept(FileId) const override { return nullptr; }
  std::optional<FilePosition> position(FileId) const override { return std::nullopt; }
  bool full() const override { return full_; }
  std::optional<std::chrono::nanoseconds> deadline() const override { return std::nullopt; }
  void close_due(std::chrono::nanoseconds) override {}
  void close_all() override {}
  std::unique_ptr<Rebuild> rebuild(const BatchRecord&) override { return nullptr; }

 private:
  std::atomic<uint64_t>& lines_;
  std::atomic<bool>& full_;
};

struct Program {
  explicit Program(const TempFolder& folder) {
    disk.sinks.resize(1);
    sinks.push_back(std::make_unique<ModelSink>(disk, 0, server));
    auto options = std::make_shared<SourceOptions>();
    options->name = "host";
    options->paths = {folder.at("*.log")};
    options->sinks = {0};
    std::vector<std::shared_ptr<const SourceOptions>> sources{options};
    FileReaderOptions quick{.poll_every = 10ms, .quiet_after = 50ms, .check_every = 10s, .finish_after = 100ms};
    reader = std::make_unique<FileReader>(quick, sources, ledger, memory, clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(std::make_unique<CountingPort>(lines, full));
    reader->set_ports(std::move(ports));
    discovery = std::make_unique<Discovery>(*loop, sources, ledger, metrics);
    discovery->add_reader(*reader);
    reader->start(*discovery);
    discovery->start();
  }
  ~Program() {
    discovery->stop();
    reader->stop();
    reader.reset();
    discovery.reset();
    CHECK(loop->close().has_value());
  }

  template <class Condition>
  bool until(Condition condition) {
    for (int i = 0; i < 500 && !condition(); ++i) loop->turn(10ms);
    return condition();
  }

  std::unique_ptr<pipeline::Loop> loop = *pipeline::Loop::create();
  pipeline::Registry metrics;
  pipeline::SystemClock clock;
  MemoryBudget memory{64 << 20};
  ModelDisk disk;
  ModelServer server;
  std::vector<std::unique_ptr<ModelSink>> sinks;
  ModelLedger ledger{disk, sinks};
  std::atomic<uint64_t> lines{0};
  std::atomic<bool> full{false};
  std::unique_ptr<FileReader> reader;
  std::unique_ptr<Discovery> discovery;
};
}  // namespace

TEST_SUITE("agent/discovery") {
  TEST_CASE("discovery: files are found and read while they appear, go quiet, rotate and vanish") {
    TempFolder folder;
    folder.append("a.log", "1\n2\n");
    Program program(folder);
    CHECK(program.discovery->first_scan_done());
    CHECK(program.until([&] { return program.lines == 2; }));
    folder.append("b.log", "3\n");
    CHECK(program.until([&] { return program.lines == 3; }));
    for (int i = 0; i < 20; ++i) program.loop->turn(10ms);  // both go quiet
    folder.append("a.log", "4\n");
    CHECK(program.until([&] { return program.lines == 4; }));
    folder.rename("a.log", "a.log.1");
    folder.append("a.log", "5\n");
    CHECK(program.until([&] { return program.lines == 5; }));
    CHECK(program.reader->progress().size() == 3);
    folder.remove("a.log.1");
    CHECK(program.until([&] { return program.reader->progress().size() == 2; }));
    CHECK(program.until([&] { return program.discovery->targets().size() == 2; }));
  }

  TEST_CASE("discovery: a file that lives for a moment while the sink is full is read later") {
    TempFolder folder;
    Program program(folder);
    program.full = true;
    for (int i = 0; i < 5; ++i) {
      folder.append("short.log", "x\ny\n");
      CHECK(program.until([&] { return program.reader->progress().size() == static_cast<size_t>(i + 1); }));
      folder.remove("short.log");
    }
    CHECK(program.lines == 0);
    program.full = false;
    program.reader->wake();
    CHECK(program.until([&] { return program.lines == 10; }));
    CHECK(program.until([&] { return program.reader->progress().empty(); }));
  }
}
