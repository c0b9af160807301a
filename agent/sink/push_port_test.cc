#include "agent/sink/push_port.h"

#include <doctest/doctest.h>
#include <map>
#include <random>

#include "pipeline/codec/push_collector.h"
#include "pipeline/codec/push_reader.h"

namespace agent {
namespace {

using pipeline::Batch;
using pipeline::ByteRange;
using pipeline::LabelSet;
using pipeline::LabelTable;
using namespace std::chrono_literals;

// Takes batches and keeps them.
struct Taker final : BatchTaker {
  uint64_t seq = 0;
  std::vector<std::unique_ptr<ClosedBatch>> batches;
  std::vector<BatchNumber> given_up;

  BatchNumber next_number() override { return {1, ++seq}; }
  Compression encoding() const override { return Compression::kIdentity; }
  std::vector<size_t> taken_together;
  void take(std::vector<std::unique_ptr<ClosedBatch>> closed) override {
    taken_together.push_back(closed.size());
    for (auto& batch : closed) batches.push_back(std::move(batch));
  }
  void give_up(const BatchRecord& record, Progress::Hold, const std::vector<FileId>&) override {
    given_up.push_back(record.number);
  }
  bool full() const override { return false; }
  uint64_t limit = ~uint64_t{0};
  uint64_t batch_limit() const override { return limit; }
  void progressed() override {}
  std::vector<LostEntries> lost_entries;
  void lost(FileId, LostEntries lost) override { lost_entries.push_back(std::move(lost)); }
};

struct Fixture {
  SinkOptions options;
  Taker taker;
  Progress progress{{}, [](FilePosition) {}};
  SinkResume resume;
  std::unique_ptr<KeptRanges> kept;
  MemoryBudget memory{64 << 20};
  pipeline::Registry registry;
  SinkMetrics metrics{registry, "hub", "h"};
  pipeline::FakeClock clock;
  std::map<BatchNumber, Progress::Hold> holds;
  std::unique_ptr<PushPort> port;
  LabelTable table;
  Batch batch{table};

  PushPort& open() {
    kept = std::make_unique<KeptRanges>(resume);
    port = std::make_unique<PushPort>(PushPortParts{options, taker, progress, *kept, memory, metrics, clock, holds});
    return *port;
  }
  void add(const char* labels, std::string_view line, ByteRange origin, int64_t time = 0) {
    batch.add(line, time ? time : origin.read_time, table.intern(LabelSet::parse(labels).value()), origin);
  }
  void append(FileId file, uint64_t passed) {
    port->append(batch, {file, passed, 0});
    batch.clear();
  }
  std::vector<pipeline::CollectedStream> streams(size_t n) {
    pipeline::PushCollector collector;
    REQUIRE(n < taker.batches.size());
    REQUIRE(pipeline::decode_push(*taker.batches[n]->body, collector));
    return collector.streams;
  }
};

TEST_SUITE("agent/sink") {
  TEST_CASE("push port: a batch of a stream knows the entries it is made of, without one there is a loss") {
    Fixture f;
    const FileId stream{kFirstStream + 1};
    f.open();
    f.add(R"({app="a"})", "one", {1, 2, 1});
    f.add(R"({app="a"})", "two and three", {2, 4, 2});
    f.add("{}", "nowhere", {4, 5, 3});
    f.add(R"({app="a"})", "six", {6, 7, 4});
    f.append(stream, 7);
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == 1);
    CHECK(f.taker.batches[0]->entries == std::vector<EntryRange>{{1, 4}, {6, 7}});
    CHECK(f.taker.batches[0]->record->segments.empty());
    REQUIRE(f.taker.lost_entries.size() == 1);
    CHECK(f.taker.lost_entries[0].ranges == std::vector<EntryRange>{{4, 5}});
    CHECK(f.taker.lost_entries[0].reason == "sink:no_labels");
    f.add(R"({app="a"})", "seven", {7, 8, 5});
    f.append(stream, 8);
    f.port->close_all();
    CHECK(f.taker.batches[1]->entries == std::vector<EntryRange>{{7, 8}});
  }

  TEST_CASE("push port: labels starting with __ stay, external labels are added under the entry's own") {
    Fixture f;
    f.options.labels = {{"site", "a"}, {"app", "external"}};
    f.open();
    f.add(R"({app="api", __path__="/x"})", "one", {0, 4, 1});
    f.append({1}, 4);
    f.port->close_all();
    CHECK(f.streams(0)[0].labels == R"({app="api", site="a"})");
    CHECK(*f.taker.batches[0]->record->segments[0].labels == R"({__path__="/x", app="api"})");
  }

  TEST_CASE("push port: __tenant_id__ chooses the tenant, and each tenant has its own batch") {
    Fixture f;
    f.options.tenant = "standard";
    f.open();
    f.add(R"({app="api", __tenant_id__="other"})", "one", {0, 4, 1});
    f.add(R"({app="api"})", "two", {4, 8, 2});
    f.append({1}, 8);
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == 2);
    CHECK(f.taker.batches[0]->tenant == "other");
    CHECK(f.taker.batches[1]->tenant == "standard");
    CHECK(f.streams(1)[0].entries[0].line == "two");
  }

  TEST_CASE("push port: entries without any label are dropped and counted, the others go on") {
    Fixture f;
    f.open();
    f.add(R"({__path__="/x"})", "one", {0, 4, 1});
    f.add(R"({app="api"})", "two", {4, 8, 2});
    f.append({1}, 8);
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == 1);
    CHECK(f.taker.batches[0]->volume.entries == 1);
    CHECK(f.registry.render().find("skidway_agent_sink_dropped_entries_total{reason=\"no_labels\",sink=\"hub\"} 1") !=
          std::string::npos);
    f.progress.release(f.taker.batches[0]->hold, f.taker.batches[0]->files);
    CHECK(f.progress.position({1})->position == 8);
  }

  TEST_CASE("push port: closes a batch by size, and a larger entry travels alone") {
    Fixture f;
    f.options.batch_bytes = 1000;
    f.open();
    std::string line(300, 'x'), large(5000, 'y');
    for (uint64_t i = 0; i < 4; i++)
      f.add(R"({app="api"})", line, {i * 301, i * 301 + 301, static_cast<int64_t>(i)}, 1 + static_cast<int64_t>(i));
    f.add(R"({app="api"})", large, {1204, 6205, 5});
    f.add(R"({app="api"})", line, {6205, 6506, 6});
    f.append({1}, 6506);
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == 4);
    CHECK(f.taker.batches[0]->volume.entries + f.taker.batches[1]->volume.entries == 4);
    CHECK(f.taker.batches[0]->body->size() <= 1000);
    CHECK(f.taker.batches[2]->volume.entries == 1);
    CHECK(f.memory.used_bytes() == 0);
  }

  TEST_CASE("push port: closes a batch earlier where larger ones were too large for the far side") {
    Fixture f;
    f.options.batch_bytes = 1 << 20;
    f.taker.limit = 300;
    f.open();
    const std::string line(100, 'x');
    for (uint64_t i = 0; i < 6; i++) f.add("{a=\"b\"}", line, {i, i + 1, static_cast<int64_t>(i + 1)});
    f.append({1}, 6);
    CHECK(f.taker.batches.size() == 2);
    f.taker.limit = ~uint64_t{0};
    for (uint64_t i = 6; i < 20; i++) f.add("{a=\"b\"}", line, {i, i + 1, static_cast<int64_t>(i + 1)});
    f.append({1}, 20);
    CHECK(f.taker.batches.size() == 2);
  }

  TEST_CASE("push port: closes a batch when it has waited long enough, counted from its first entry") {
    Fixture f;
    f.open();
    CHECK(!f.port->deadline());
    f.add(R"({app="api"})", "one", {0, 4, 1});
    f.append({1}, 4);
    CHECK(f.port->deadline() == f.clock.monotonic() + 1s);
    f.clock.advance(500ms);
    f.add(R"({app="api"})", "two", {4, 8, 2});
    f.append({1}, 8);
    f.port->close_due(f.clock.monotonic());
    CHECK(f.taker.batches.empty());
    f.clock.advance(500ms);
    f.port->close_due(f.clock.monotonic());
    REQUIRE(f.taker.batches.size() == 1);
    CHECK(!f.port->deadline());
  }

  TEST_CASE("push port: leaves out what a kept record covers, or what lies below the position") {
    Fixture f;
    f.resume.positions[{1}] = {{1}, 10, 0};
    auto labels = std::make_shared<const std::string>("{}");
    f.resume.records.push_back({{1, 1}, "", true, {{{1}, labels, {{20, 30, 0}}}}});
    f.open();
    for (uint64_t i = 0; i < 5; i++)
      f.add(R"({app="api"})", std::string_view("01234").substr(i, 1),
            {i * 10, i * 10 + 10, static_cast<int64_t>(i + 1)});
    f.append({1}, 50);
    f.port->close_all();
    auto entries = f.streams(0)[0].entries;
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].line == "1");
    CHECK(entries[1].line == "3");
    CHECK(entries[2].line == "4");
  }

  TEST_CASE("push port: entries made of one line are never divided over two batches") {
    Fixture f;
    f.options.batch_bytes = 300;
    f.open();
    for (uint64_t line = 0; line < 10; line++)
      for (int part = 0; part < 3; part++)
        f.add(R"({app="api"})", "0123456789012345678901234567",
              {line * 100, line * 100 + 100, 1 + static_cast<int64_t>(line)});
    f.append({1}, 1000);
    f.port->close_all();
    uint64_t entries = 0;
    CHECK(f.taker.batches.size() > 3);
    for (auto& batch : f.taker.batches) {
      CHECK(batch->volume.entries % 3 == 0);
      entries += batch->volume.entries;
      for (const RecordSegment& segment : batch->record->segments)
        for (size_t i = 1; i < segment.ranges.size(); i++) CHECK(segment.ranges[i].begin >= segment.ranges[i - 1].end);
    }
    CHECK(entries == 30);
  }

  TEST_CASE("push port: a line whose entries have two tenants is recorded for both at once, and rebuilt for each") {
    Fixture f;
    f.options.batch_bytes = 1000;
    f.open();
    auto add_line = [&](Batch& batch, LabelTable& table) {
      for (const char* tenant : {"a", "b", "a"})
        batch.add(tenant, 5, table.intern(LabelSet::from({{"app", "x"}, {"__tenant_id__", tenant}})), {0, 10, 5});
    };
    std::string large(2000, 'x');
    add_line(f.batch, f.table);
    f.append({1}, 10);
    f.add(R"({app="x", __tenant_id__="b"})", large, {10, 20, 6});  // closes b
    f.append({1}, 20);
    CHECK(f.taker.taken_together == std::vector<size_t>{2});
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == 3);
    CHECK(f.taker.batches[0]->volume.entries + f.taker.batches[1]->volume.entries == 3);

    auto first = std::exchange(f.taker.batches, {});
    for (size_t i = 0; i < 2; i++) {
      f.holds[first[i]->number] = f.progress.new_hold();
      auto rebuild = f.port->rebuild(*first[i]->record);
      REQUIRE(first[i]->record->segments.size() == 1);
      CHECK(first[i]->record->segments[0].ranges.size() == 1);
      LabelTable table;
      Batch again(table);
      add_line(again, table);
      rebuild->append(again, {1});
      rebuild->finish();
      CHECK(f.taker.batches.back()->tenant == first[i]->tenant);
      CHECK(*f.taker.batches.back()->body == *first[i]->body);
    }
  }

  TEST_CASE("push port: many tenants have a bounded number of open batches, the one due first makes room") {
    Fixture f;
    f.open();
    size_t tenants = PushPort::kMostOpenBatches + 10;
    for (size_t i = 0; i < tenants; i++) {
      std::string labels = R"({app="x", __tenant_id__="t)" + std::to_string(i) + R"("})";
      f.add(labels.c_str(), "line", {i * 5, i * 5 + 5, static_cast<int64_t>(i + 1)});
      f.append({1}, i * 5 + 5);
      f.clock.advance(1ms);
    }
    REQUIRE(f.taker.batches.size() == 10);
    for (size_t i = 0; i < 10; i++) CHECK(f.taker.batches[i]->tenant == "t" + std::to_string(i));
    f.port->close_all();
    REQUIRE(f.taker.batches.size() == tenants);
    for (auto& batch : f.taker.batches) CHECK(batch->record->tenant == batch->tenant);
    CHECK(f.memory.used_bytes() == 0);
  }

  TEST_CASE("push port: bytes of no file are in no record") {
    Fixture f;
    f.open();
    f.add(R"({app="api"})", "one", {0, 4, 1});
    f.append({}, 0);
    f.port->close_all();
    CHECK(f.taker.batches[0]->record->segments.empty());
    CHECK(f.taker.batches[0]->files.empty());
  }

  TEST_CASE("push port: label ids of a cleared table are not mixed up with new ones") {
    Fixture f;
    f.open();
    f.add(R"({app="a"})", "one", {0, 4, 1});
    f.append({1}, 4);
    f.table.clear();
    f.add(R"({app="b"})", "two", {4, 8, 2});
    f.append({1}, 8);
    f.port->close_all();
    auto streams = f.streams(0);
    REQUIRE(streams.size() == 2);
    CHECK(streams[1].labels == R"({app="b"})");
  }

  TEST_CASE("push port: a batch of which nothing is left is given up under its number") {
    Fixture f;
    BatchRecord record{{4, 2}, "", false, {{{9}, std::make_shared<const std::string>("{}"), {{0, 4, 1}}}}};
    f.holds[record.number] = f.progress.new_hold();
    f.open();
    f.port->rebuild(record)->finish();
    CHECK(f.taker.given_up == std::vector<BatchNumber>{{4, 2}});
  }
}

// --- rebuilding: a tiny reader whose lines are partial or whole, of two outputs, some of them dropped

struct Line {
  uint64_t begin, end;
  char output;   // 'o' or 'e'
  bool partial;  // joined with the next line of its output
  bool dropped;
  std::string text;
};

struct TinyFile {
  FileId id;
  std::vector<Line> lines;
};

TinyFile random_file(FileId id, std::mt19937& random) {
  TinyFile file{id, {}};
  uint64_t at = 0;
  for (int i = 0; i < 200; i++) {
    uint64_t size = 3 + random() % 20;
    file.lines.push_back({at, at + size, random() % 3 ? 'o' : 'e', random() % 4 == 0, random() % 5 == 0,
                          std::string(size - 1, static_cast<char>('a' + random() % 3))});
    at += size;
  }
  for (char output : {'o', 'e'})  // nothing is left open at the end
    file.lines.push_back({at, at + 4, output, false, false, "end"}), at += 4;
  return file;
}

// What a CRI stage does, in few lines.
class Joiner {
 public:
  void feed(const Line& line, int64_t read_time, Batch& batch, LabelTable::Id labels) {
    auto& open = open_[line.output];
    open.text += line.text;
    open.origins.push_back({line.begin, line.end, read_time});
    if (line.partial) return;
    if (!line.dropped) emit(open, read_time, batch, labels);
    open = {};
  }
  uint64_t open_from(uint64_t otherwise) const {
    for (auto& [output, open] : open_)
      if (!open.origins.empty()) otherwise = std::min(otherwise, open.origins[0].begin);
    return otherwise;
  }

 private:
  struct Open {
    std::string text;
    std::vector<ByteRange> origins;
  };
  static void emit(const Open& open, int64_t time, Batch& batch, LabelTable::Id labels) {
    batch.add(batch.arena.copy(open.text), time / 3, labels, open.origins[0]);  // times repeat
    for (size_t i = 1; i < open.origins.size(); i++) batch.origins.push_back(open.origins[i]);
    batch.origin_count.back() = static_cast<uint32_t>(open.origins.size());
  }
  std::map<char, Open> open_;
};

TEST_SUITE("agent/sink") {
  TEST_CASE("push port: a batch built again from its record has the same bytes and the same number") {
    uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    Fixture f;
    f.options.batch_bytes = 700;
    f.open();
    std::vector<TinyFile> files{random_file({1}, random), random_file({2}, random)};
    auto labels = [&](LabelTable& table) { return table.intern(LabelSet::parse(R"({app="api"})").value()); };
    // Both files feed one stream, block by block in turns.
    Joiner joiners[2];
    size_t next[2] = {0, 0};
    int64_t read_time = 1'000;
    while (next[0] < files[0].lines.size() || next[1] < files[1].lines.size()) {
      size_t k = random() % 2;
      for (uint64_t n = 1 + random() % 10; n > 0 && next[k] < files[k].lines.size(); n--)
        joiners[k].feed(files[k].lines[next[k]++], read_time++, f.batch, labels(f.table));
      uint64_t end = next[k] < files[k].lines.size() ? files[k].lines[next[k]].begin : files[k].lines.back().end;
      f.append(files[k].id, joiners[k].open_from(end));
      read_time += static_cast<int64_t>(random() % 3);
      if (random() % 10 == 0) f.port->close_all();
    }
    f.port->close_all();
    REQUIRE(f.taker.batches.size() > 5);

    auto first = std::exchange(f.taker.batches, {});
    for (auto& batch : first) f.holds[batch->number] = f.progress.new_hold();
    for (auto& batch : first) {
      auto rebuild = f.port->rebuild(*batch->record);
      std::map<FileId, Joiner> fresh;
      LabelTable table;
      Batch again(table);
      for (const RecordSegment& segment : rebuild->record().segments) {
        const TinyFile& file = files[segment.file.value - 1];
        for (const LineRange& range : segment.ranges) {
          int64_t time = range.first_read_time;
          for (const Line& line : file.lines)
            if (line.begin >= range.begin && line.end <= range.end) {
              Line kept = line;
              kept.dropped = false;  // the record holds the outcome
              fresh[file.id].feed(kept, time++, again, table.intern(LabelSet::parse(*segment.labels).value()));
            }
        }
        rebuild->append(again, file.id);
        again.clear();
      }
      rebuild->finish();
      REQUIRE(!f.taker.batches.empty());
      CHECK(f.taker.batches.back()->number == batch->number);
      CHECK(*f.taker.batches.back()->body == *batch->body);
      CHECK(f.taker.batches.back()->rebuilt);
      CHECK(f.taker.batches.back()->record->segments.size() == batch->record->segments.size());  // whose it is
    }
    for (auto& batch : first) f.progress.release(batch->hold, batch->files);
    for (auto& file : files) CHECK(f.progress.position(file.id)->position == file.lines.back().end);
  }
}

}  // namespace
}  // namespace agent
