#include "agent/source/file_shard.h"

#include <doctest/doctest.h>

#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/stage_list.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;
using pipeline::FakeClock;
using pipeline::LabelSet;
using pipeline::Registry;

namespace {
// Joins lines until one begins with '>' or was read more than a second after the one before it.
class Joining final : public pipeline::Stage {
 public:
  struct Memory final : pipeline::StageMemory {
    std::string text;
    std::vector<pipeline::ByteRange> origins;
    std::optional<uint64_t> open_from() const override {
      return origins.empty() ? std::nullopt : std::optional<uint64_t>(origins[0].begin);
    }
    std::optional<pipeline::UnixNanos> due() const override {
      return origins.empty() ? std::nullopt : std::optional(origins.back().read_time + 1'000'000'000);
    }
  };
  std::unique_ptr<pipeline::StageMemory> make_memory(pipeline::StageUse) const override {
    return std::make_unique<Memory>();
  }
  void process(pipeline::Batch& batch, pipeline::StageMemory& memory, pipeline::DropCounts& drops) const override {
    auto& m = static_cast<Memory&>(memory);
    size_t lines = batch.size();
    std::vector<pipeline::ByteRange> origins(batch.origins.begin(), batch.origins.end());
    for (size_t i = 0; i < lines; ++i) {
      bool late = !m.origins.empty() && origins[i].read_time > m.origins.back().read_time + 1'000'000'000;
      if (batch.lines[i].starts_with('>') || late) flush(batch, memory, drops);
      m.text += (m.text.empty() ? "" : "|") + std::string(batch.lines[i]);
      m.origins.push_back(origins[i]);
    }
    std::vector<uint8_t> keep(batch.size(), 1);
    std::fill_n(keep.begin(), lines, uint8_t{0});
    batch.retain(keep);
  }
  void flush(pipeline::Batch& batch, pipeline::StageMemory& memory, pipeline::DropCounts&) const override {
    auto& m = static_cast<Memory&>(memory);
    if (m.origins.empty()) return;
    batch.insert(batch.size(), batch.arena.copy(m.text), m.origins[0].read_time,
                 batch.label_sets->intern(LabelSet::from({{"a", "b"}})), m.origins);
    m.text.clear(), m.origins.clear();
  }
  void expire(pipeline::Batch& batch, pipeline::StageMemory& memory, pipeline::UnixNanos now,
              pipeline::DropCounts& drops) const override {
    if (memory.due().value_or(now + 1) <= now) flush(batch, memory, drops);
  }
  void add_reads(pipeline::FieldNames&) const override {}
};

std::shared_ptr<const pipeline::StageList> joining() {
  std::vector<std::unique_ptr<pipeline::Stage>> stages;
  stages.push_back(std::make_unique<Joining>());
  return std::make_shared<const pipeline::StageList>(std::move(stages));
}

// One shard, one source, one sink, driven by hand.
class Shard final : public ReaderEvents {
 public:
  explicit Shard(size_t max_line_bytes = kDefaultMaxLineBytes,
                 std::shared_ptr<const pipeline::StageList> stages = nullptr) {
    auto options = std::make_shared<SourceOptions>();
    options->name = "test";
    options->sinks = {0};
    options->max_line_bytes = max_line_bytes;
    options->stages = std::move(stages);
    source_ = options;
    disk.sinks.resize(1);
    sinks_.push_back(std::make_unique<ModelSink>(disk, 0, server));
    ledger = std::make_unique<ModelLedger>(disk, sinks_);
    shard = std::make_unique<FileShard>(FileReaderOptions{.open_files = &open_files},
                                        std::vector<std::shared_ptr<const SourceOptions>>{source_}, *ledger, memory,
                                        clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    ports.push_back(sinks_[0]->open_port());
    shard->set_ports(std::move(ports));
    shard->set_events(*this);
  }

  ModelSink& sink() { return *sinks_[0]; }
  std::shared_ptr<const SourceOptions> source() const { return source_; }

  InodeKey offer(const std::string& name, const std::string& lineage, bool parked = false) {
    auto handle = FileHandle::open(folder.at(name), &open_files);
    REQUIRE(handle.has_value());
    OfferedFile file;
    file.handle = *handle;
    file.identity = FileIdentity::of((*handle)->status()->key, *(*handle)->head());
    file.path = folder.at(name);
    file.lineage = lineage;
    file.birth_order = ++births_;
    file.labels = LabelSet::from({{"lineage", lineage}});
    file.fresh = true;
    file.id = ledger->adopt(*source_, file.identity, file.path, file.birth_order);
    InodeKey key = file.identity.key;
    if (parked) REQUIRE(file.handle->park());
    shard->offer(std::move(file));
    return key;
  }
  void start() { shard->scan_done(std::make_shared<FoundFiles>()); }

  // Turns until there is nothing to do at this moment.
  void settle() {
    for (int i = 0; i < 1000; ++i) {
      auto rest = shard->turn();
      if (!rest || rest->count() > 0) return;
    }
    FAIL("the shard does not come to rest");
  }
  void pass(std::chrono::milliseconds time) {
    for (auto end = clock.monotonic() + time; clock.monotonic() < end;) {
      clock.advance(250ms);
      settle();
    }
  }
  std::vector<std::string> delivered() {
    sink().deliver_all();
    std::vector<std::string> lines;
    for (const auto& entry : server.entries()) lines.push_back(entry.line);
    return lines;
  }
  // The one source goes over to other stages.
  void restage(std::shared_ptr<const pipeline::StageList> stages) {
    auto options = std::make_shared<SourceOptions>(*source_);
    options->stages = std::move(stages);
    source_ = options;
    ReaderChange change;
    change.sources = {source_};
    change.restaged = {0};
    shard->change(std::move(change));
  }
  void file_finished(InodeKey key, size_t) override { finished.push_back(key); }

  TempFolder folder;
  FakeClock clock;
  Registry metrics;
  OpenFiles open_files{32, metrics};  // for 16 files, and scarce with 15
  MemoryBudget memory{64 << 20};
  ModelDisk disk;
  ModelServer server;
  std::unique_ptr<ModelLedger> ledger;
  std::vector<InodeKey> finished;
  std::unique_ptr<FileShard> shard;

 private:
  std::shared_ptr<const SourceOptions> source_;
  std::vector<std::unique_ptr<ModelSink>> sinks_;
  uint64_t births_ = 0;
};
using Lines = std::vector<std::string>;
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: nothing is read before the first scan is complete") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.settle();
    CHECK(s.delivered().empty());
    s.start();
    s.settle();
    CHECK(s.delivered() == Lines{"one"});
  }

  TEST_CASE("source: a file that is written to is read every quarter of a second") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.folder.append("a", "two\nthr");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two"});
    s.folder.append("a", "ee\n");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two", "three"});
  }

  TEST_CASE("source: a quiet file costs nothing, and its next line is seen") {
    Shard s;
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.start();
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);  // nobody polls
    auto rest = s.shard->turn();
    REQUIRE(rest.has_value());
    CHECK(*rest > 1s);
    s.folder.append("a", "two\n");
    s.settle();  // the watch tells; we look a moment later
    CHECK(s.shard->watch_fd() == -1);
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two"});
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);
  }

  TEST_CASE("source: a rotated file is read to its end before its successor") {
    Shard s;
    s.start();
    s.folder.append("a", "1\n2\n");
    InodeKey first = s.offer("a", "a");
    s.settle();
    s.sink().full = true;
    s.folder.append("a", "3\n");
    s.pass(250ms);
    s.folder.append("a", "4\n");  // not yet looked at when it is renamed
    s.folder.rename("a", "a.1");
    s.folder.append("a", "5\n");
    s.shard->rotated(first);
    s.offer("a", "a");
    s.folder.append("a.1", "4b\n");  // and the writer still writes there
    s.settle();
    CHECK(s.delivered() == Lines{"1", "2"});
    s.sink().full = false;
    s.pass(500ms);
    CHECK(s.delivered() == Lines{"1", "2", "3", "4", "4b", "5"});
    s.folder.append("a.1", "late\n");  // after the successor was begun: late, but not lost
    s.pass(250ms);
    CHECK(s.delivered().back() == "late");
  }

  TEST_CASE("source: two rotations while the sink is full lose nothing and keep the order") {
    Shard s;
    s.start();
    s.sink().full = true;
    Lines want;
    InodeKey before{};
    for (int i = 0; i < 3; ++i) {
      s.folder.append("a", std::to_string(i) + "\n");
      want.push_back(std::to_string(i));
      InodeKey key = s.offer("a", "a");
      s.pass(250ms);
      if (i > 0) s.folder.remove("old" + std::to_string(i - 1)), s.shard->gone(before);
      s.folder.rename("a", "old" + std::to_string(i));
      s.shard->rotated(key);
      before = key;
    }
    s.pass(30s);
    CHECK(s.finished.empty());  // gone, but not read
    s.sink().full = false;
    s.pass(500ms);
    CHECK(s.delivered() == want);
    s.pass(11s);
    CHECK(s.finished.size() == 2);
  }

  TEST_CASE("source: a deleted file is read to its end, with its last line, and then let go") {
    Shard s;
    s.start();
    s.folder.append("a", "one\ntwo\nrest");
    InodeKey key = s.offer("a", "a");
    s.folder.remove("a");
    s.shard->gone(key);
    s.pass(1s);
    CHECK(s.delivered() == Lines{"one", "two"});
    CHECK(s.finished.empty());
    s.pass(11s);
    CHECK(s.delivered() == Lines{"one", "two", "rest"});
    CHECK(s.finished == std::vector<InodeKey>{key});
    REQUIRE(s.ledger->endings().size() == 1);
    CHECK(s.ledger->endings()[0].second == 12);
    CHECK(s.shard->progress().empty());
  }

  TEST_CASE("source: the unfinished last line of a rotated file is delivered after a silence; the file stays open") {
    Shard s;
    s.start();
    s.folder.append("a", "one\nrest");
    InodeKey key = s.offer("a", "a");
    s.pass(20s);
    CHECK(s.delivered() == Lines{"one"});  // not rotated: its writer may complete it
    s.folder.rename("a", "a.1");
    s.shard->rotated(key);
    s.pass(11s);
    CHECK(s.delivered() == Lines{"one", "rest"});
    CHECK(s.finished.empty());
    s.pass(6s);
    s.folder.append("a.1", "more\n");
    s.settle();
    s.pass(500ms);
    CHECK(s.delivered() == Lines{"one", "rest", "more"});
  }

  TEST_CASE("source: a truncated file is read from its beginning, as another file") {
    Shard s;
    s.start();
    s.folder.append("a", "one\ntwo\nthree\n");
    s.offer("a", "a");
    s.settle();
    s.folder.truncate("a");
    s.pass(250ms);
    s.folder.append("a", "four\n");
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one", "two", "three", "four"});
    CHECK(s.disk.files.size() == 2);
    CHECK(s.metrics.render().find("skidway_agent_source_truncations_total{source=\"test\"} 1") != std::string::npos);
  }

  TEST_CASE("source: quiet files are looked at now and then all the same") {
    Shard s;
    s.start();
    for (const char* name : {"a", "b", "c"}) {
      s.folder.append(name, "one\n");
      s.offer(name, name);
    }
    s.pass(6s);
    CHECK(s.shard->watch_fd() >= 0);
    for (const char* name : {"a", "b", "c"}) s.folder.truncate(name);
    s.clock.advance(20s);
    s.settle();
    s.pass(1s);
    CHECK(s.disk.files.size() == 6);  // three truncations
  }

  TEST_CASE("source: the series of a path end with its last file") {
    Shard s;
    s.start();
    s.folder.append("a", "one\n");
    InodeKey key = s.offer("a", "a");
    s.settle();
    CHECK(s.metrics.render().find("promtail_read_lines_total{path=\"" + s.folder.at("a") + "\",source=\"test\"} 1") !=
          std::string::npos);
    s.folder.remove("a");
    s.shard->gone(key);
    s.pass(11s);
    CHECK(s.metrics.render().find("promtail_read_lines_total{") == std::string::npos);
  }

  TEST_CASE("source: when descriptors are scarce, files quiet for a minute are closed, least recent first") {
    Shard s;
    s.start();
    for (int i = 0; i < 15; ++i) {
      std::string name = "f" + std::to_string(i);
      s.folder.append(name, "one of " + name + "\n");
      s.offer(name, name);
      s.pass(1s);
    }
    auto open_now = [&] {
      std::string open;
      for (const auto& [id, file] : s.shard->found()) open += file.handle->is_open() ? "o" : "-";
      return open;
    };
    s.pass(44s);
    CHECK(open_now() == "ooooooooooooooo");
    s.pass(3s);
    CHECK(open_now() == "-oooooooooooooo");
    s.pass(10s);
    CHECK(open_now() == "-oooooooooooooo");  // enough for the moment
    s.folder.append("f0", "two of f0\n");
    s.pass(2s);
    CHECK(open_now() == "o-ooooooooooooo");
    CHECK(s.delivered().size() == 16);
  }

  TEST_CASE("source: without a descriptor left, more files than that are read one after another") {
    Shard s;
    std::vector<std::string> want;
    for (int i = 0; i < 40; ++i) {
      std::string name = "f" + std::to_string(i);
      s.folder.append(name, "one of " + name + "\n");
      want.push_back("one of " + name);
      s.offer(name, name, true);
    }
    CHECK(s.open_files.open() == 0);
    s.start();
    s.pass(2s);
    CHECK(s.open_files.open() <= 16);
    CHECK(s.delivered() == want);
  }

  TEST_CASE("source: a file closed and then truncated and written again is read from its beginning") {
    Shard s;
    s.start();
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.pass(1s);
    for (const auto& [id, file] : s.shard->found()) REQUIRE(file.handle->park());
    s.folder.truncate("a");
    s.folder.append("a", "two and more\n");
    s.pass(11s);
    CHECK(s.delivered() == std::vector<std::string>{"one", "two and more"});
  }

  TEST_CASE("source: what was not read of a file that was deleted while it was closed is counted as lost") {
    Shard s;
    s.folder.append("a", "one\n");
    InodeKey key = s.offer("a", "a", true);
    s.folder.remove("a");
    s.start();
    s.shard->gone(key);
    s.pass(11s);
    CHECK(s.finished == std::vector<InodeKey>{key});
    CHECK(s.metrics
              .counter("skidway_agent_source_lost_bytes_total",
                       "Bytes of unacknowledged batches that could not be read again after a restart.",
                       {{"source", "test"}})
              .value() == 4);
  }

  TEST_CASE("source: a backlog in one file does not starve another") {
    Shard s;
    s.start();
    s.sink().close_at_entries = 1'000'000;
    std::string line(99, 'x');
    std::string big;
    while (big.size() < 4 << 20) big += line + "\n";
    s.folder.append("a", big);
    s.folder.append("b", "small\n");
    s.offer("a", "a");
    s.offer("b", "b");
    s.shard->turn();
    auto progress = s.shard->progress();
    REQUIRE(progress.size() == 2);
    CHECK(progress[0].read_bytes < big.size());
    CHECK(progress[1].read_bytes == 6);
    s.settle();
    CHECK(s.delivered().size() == big.size() / 100 + 1);
    CHECK(s.metrics.render().find("skidway_agent_source_lag_bytes{source=\"test\"} 0") != std::string::npos);
  }

  TEST_CASE("source: read times rise strictly, also when the clock goes back") {
    Shard s;
    s.start();
    s.folder.append("a", "1\n2\n3\n");
    s.offer("a", "a");
    s.settle();
    s.clock.jump_wall(-1h);
    s.folder.append("a", "4\n");
    s.folder.append("b", "5\n");
    s.offer("b", "b");
    s.pass(250ms);
    s.delivered();
    auto entries = s.server.entries();
    REQUIRE(entries.size() == 5);
    for (size_t i = 1; i < 5; ++i) CHECK(entries[i].time > entries[i - 1].time);
  }

  TEST_CASE("source: too much memory in use stops reading until it is released") {
    Shard s;
    s.start();
    s.memory.add(1 << 30);
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.pass(1s);
    CHECK(s.delivered().empty());
    s.memory.release(1 << 30);
    s.pass(250ms);
    CHECK(s.delivered() == Lines{"one"});
  }

  TEST_CASE("source: a block that a stage holds goes on when its time has come, with all its lines") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\ntwo\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    CHECK(s.delivered().empty());
    auto rest = s.shard->turn();
    REQUIRE(rest.has_value());
    CHECK(*rest <= 1s);
    CHECK(s.sink().position({1})->position == 0);  // nothing below an open block is passed
    s.clock.advance(900ms);
    s.settle();
    CHECK(s.delivered().empty());
    s.clock.advance(101ms);
    s.settle();
    CHECK(s.delivered() == Lines{">one|two"});
    CHECK(s.sink().position({1})->position == 9);
  }

  TEST_CASE("source: what is written after a block's time is a block of its own, also if the clock goes back") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.clock.advance(2s);
    s.settle();
    s.clock.jump_wall(-5s);
    s.folder.append("a", "two\n");
    s.pass(250ms);
    s.pass(10s);
    CHECK(s.delivered() == Lines{">one", "two"});
  }

  TEST_CASE("source: a block whose next lines lie in the file is not cut by a pause in reading") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.sink().full = true;
    s.folder.append("a", "two\n");
    s.pass(250ms);
    s.pass(600s);
    CHECK(s.delivered().empty());
    s.sink().full = false;
    s.pass(250ms);
    s.folder.append("a", "three\n");
    s.pass(250ms);
    CHECK(s.delivered().empty());
    s.clock.advance(2s);
    s.settle();
    CHECK(s.delivered() == Lines{">one|two|three"});
    s.folder.append("a", ">four\n");
    s.pass(250ms);
    s.pass(3s);
    s.delivered();
    auto entries = s.server.entries();
    REQUIRE(entries.size() == 2);
    CHECK(entries[1].time > s.clock.wall() - 5'000'000'000);  // nothing was held: the clock's time again
  }

  TEST_CASE("source: a stage that limits the rate slows reading down, and nothing is lost") {
    auto document = *pipeline::ConfigDocument::parse("[[stage]]\ntype = 'limit'\nrate = 1\nburst = 1\n", "t");
    Shard s(kDefaultMaxLineBytes, pipeline::StageList::build(document.root(), "stage"));
    s.folder.append("a", "1\n2\n3\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.folder.append("a", "4\n");
    s.pass(1500ms);
    CHECK(s.delivered() == std::vector<std::string>{"1", "2", "3"});
    s.pass(2s);
    CHECK(s.delivered() == std::vector<std::string>{"1", "2", "3", "4"});
  }

  TEST_CASE("source: lines that old stages hold are given to the new ones, once") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\ntwo\n>three\nfour\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.restage(nullptr);
    CHECK(s.delivered() == Lines{">one|two", ">three", "four"});
    CHECK(s.sink().position({1})->position == 21);
    s.folder.append("a", "five\n>six\n");
    s.pass(250ms);
    s.restage(joining());
    s.folder.append("a", "seven\n>eight\n");
    s.pass(250ms);
    s.restage(joining());
    CHECK(s.delivered() == Lines{">one|two", ">three", "four", "five", ">six", "seven"});
    s.pass(2s);
    CHECK(s.delivered().back() == ">eight");
  }

  TEST_CASE("source: no batch has entries of old and new stages") {
    Shard s(kDefaultMaxLineBytes, nullptr);
    s.folder.append("a", "one\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.restage(joining());
    s.folder.append("a", ">two\n>three\n");
    s.pass(250ms);
    s.delivered();
    CHECK(s.server.batches.size() == 2);
  }

  TEST_CASE("source: what old stages hold of a file that was truncated goes on as it is") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\ntwo\n");
    s.offer("a", "a");
    s.start();
    s.settle();
    s.folder.truncate("a");
    s.restage(nullptr);
    CHECK(s.delivered() == Lines{">one|two"});
  }

  TEST_CASE("source: a withdrawn file hands on what stages hold and can be found again where reading stopped") {
    Shard s(kDefaultMaxLineBytes, joining());
    s.folder.append("a", ">one\ntwo\nthr");
    InodeKey key = s.offer("a", "a");
    s.start();
    s.settle();
    s.shard->withdraw(key, 0);
    CHECK(s.delivered() == Lines{">one|two"});
    CHECK(s.shard->progress().empty());
    auto known = s.ledger->find(*s.source(), key, s.folder.at("a"), ">one\ntwo\nthr", 12);
    REQUIRE(known.has_value());
    CHECK(known->position == 9);
  }

  TEST_CASE("source: a relabelled file gives later lines its new labels") {
    Shard s;
    s.folder.append("a", "one\n");
    InodeKey key = s.offer("a", "a");
    s.start();
    s.settle();
    s.shard->relabel(key, 0, LabelSet::from({{"team", "x"}}));
    s.folder.append("a", "two\n");
    s.pass(250ms);
    s.delivered();
    auto entries = s.server.entries();
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].labels == "{lineage=\"a\"}");
    CHECK(entries[1].labels == "{team=\"x\"}");
  }

  TEST_CASE("source: a file withdrawn inside an over-long line goes on behind what was delivered of it") {
    Shard s(1024);
    s.start();
    s.folder.append("a", "one\n" + std::string(300 << 10, 'x'));
    InodeKey key = s.offer("a", "a");
    s.settle();
    CHECK(s.delivered() == Lines{"one", std::string(1024, 'x')});
    s.shard->withdraw(key, 0);
    auto handle = *FileHandle::open(s.folder.at("a"));
    auto known = s.ledger->find(*s.source(), key, s.folder.at("a"), *handle->head(), handle->status()->size_bytes);
    REQUIRE(known.has_value());
    OfferedFile file;
    file.handle = handle;
    file.id = known->id;
    file.identity = known->identity;
    file.path = s.folder.at("a");
    file.lineage = s.folder.at("a");
    file.labels = LabelSet::from({{"lineage", "a"}});
    file.position = known->position;
    file.cut_line_at = known->cut_line_at;
    s.shard->offer(std::move(file));
    s.folder.append("a", std::string(10, 'x') + "\ntwo\n");
    s.settle();
    s.pass(1s);
    CHECK(s.delivered() == Lines{"one", std::string(1024, 'x'), "two"});
  }
}
