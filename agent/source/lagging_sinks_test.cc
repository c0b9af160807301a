#include <doctest/doctest.h>
#include <random>

#include "agent/source/file_shard.h"
#include "agent/source/testing/model_sink.h"
#include "agent/source/testing/temp_folder.h"
#include "pipeline/config/config.h"
#include "pipeline/model/label_table.h"
#include "pipeline/stage/stage_list.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;
using pipeline::LabelSet;
using Lines = std::vector<std::string>;

namespace {
std::shared_ptr<const pipeline::StageList> stages_of(const std::string& text) {
  auto document = pipeline::ConfigDocument::parse(text, "test");
  REQUIRE(document.has_value());
  return pipeline::StageList::build(document->root(), "stage");
}

// One shard and one source with two sinks, driven by hand.
class Pair final : public ReaderEvents {
 public:
  explicit Pair(std::shared_ptr<const pipeline::StageList> stages = nullptr, const FileReaderOptions& reading = {}) {
    auto options = std::make_shared<SourceOptions>();
    options->name = "test";
    options->sinks = {0, 1};
    options->stages = std::move(stages);
    source_ = options;
    disk.sinks.resize(2);
    for (size_t i = 0; i < 2; ++i) sinks.push_back(std::make_unique<ModelSink>(disk, i, servers[i]));
    ledger = std::make_unique<ModelLedger>(disk, sinks);
    shard = std::make_unique<FileShard>(reading, std::vector<std::shared_ptr<const SourceOptions>>{source_}, *ledger,
                                        memory, clock, metrics);
    std::vector<std::unique_ptr<SinkPort>> ports;
    for (auto& sink : sinks) ports.push_back(sink->open_port());
    shard->set_ports(std::move(ports));
    shard->set_events(*this);
    shard->scan_done(std::make_shared<FoundFiles>());
  }
  InodeKey offer(const std::string& name, const std::string& lineage = "") {
    auto handle = FileHandle::open(folder.at(name));
    REQUIRE(handle.has_value());
    OfferedFile file;
    file.handle = *handle;
    file.identity = FileIdentity::of((*handle)->status()->key, *(*handle)->head());
    file.path = folder.at(name);
    file.lineage = lineage.empty() ? name : lineage;
    file.birth_order = ++births_;
    file.labels = LabelSet::from({{"file", lineage.empty() ? name : lineage}});
    file.fresh = true;
    file.id = last = ledger->adopt(*source_, file.identity, file.path, file.birth_order);
    InodeKey key = file.identity.key;
    shard->offer(std::move(file));
    return key;
  }
  void pass(std::chrono::milliseconds time) {
    for (auto end = clock.monotonic() + time; clock.monotonic() < end;) {
      clock.advance(250ms);
      for (int i = 0; i < 1000; ++i) {
        auto rest = shard->turn();
        if (!rest || rest->count() > 0) break;
      }
    }
  }
  Lines delivered(size_t sink) {
    sinks[sink]->deliver_all();
    Lines lines;
    for (const auto& entry : servers[sink].entries()) lines.push_back(entry.line);
    return lines;
  }
  bool metric(const std::string& text) const { return metrics.render().find(text) != std::string::npos; }
  void file_finished(InodeKey key, size_t) override { finished.push_back(key); }

  TempFolder folder;
  pipeline::FakeClock clock;
  pipeline::Registry metrics;
  MemoryBudget memory{64 << 20};
  ModelDisk disk;
  ModelServer servers[2];
  std::vector<std::unique_ptr<ModelSink>> sinks;
  std::unique_ptr<ModelLedger> ledger;
  std::vector<InodeKey> finished;
  std::unique_ptr<FileShard> shard;
  FileId last;

 private:
  std::shared_ptr<const SourceOptions> source_;
  uint64_t births_ = 0;
};
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("lagging sinks: one that is full holds the others up for a moment only, and gets its lines later") {
    Pair p;
    p.folder.append("a", "one\n");
    p.offer("a");
    p.pass(250ms);
    p.sinks[1]->full = true;
    p.folder.append("a", "two\n");
    p.pass(250ms);
    p.folder.append("a", "three\n");
    p.pass(1s);
    CHECK(p.delivered(0) == Lines{"one", "two", "three"});
    CHECK(p.delivered(1) == Lines{"one"});
    CHECK(p.sinks[1]->position(p.last)->position == 4);
    CHECK(p.metric("skidway_agent_source_owed_bytes{source=\"test\"} 10"));
    p.sinks[1]->full = false;
    p.pass(250ms);
    CHECK(p.delivered(1) == Lines{"one", "two", "three"});
    CHECK(p.sinks[1]->position(p.last)->position == 14);
    CHECK(p.servers[0].entries() == p.servers[1].entries());
    CHECK(p.metric("skidway_agent_source_owed_bytes{source=\"test\"} 0"));
    p.folder.append("a", "four\n");
    p.pass(250ms);
    CHECK(p.delivered(0).back() == "four");
    CHECK(p.delivered(1).back() == "four");
  }

  TEST_CASE("lagging sinks: when all are full, reading stops") {
    Pair p;
    p.sinks[0]->full = p.sinks[1]->full = true;
    p.folder.append("a", "one\n");
    p.offer("a");
    p.pass(5s);
    CHECK(p.delivered(0).empty());
    CHECK(p.shard->progress()[0].paused);
    CHECK(p.metric("skidway_agent_source_owed_bytes{source=\"test\"} 0"));
  }

  TEST_CASE("lagging sinks: a deleted file is held until the one that lags has all of it") {
    Pair p;
    p.sinks[1]->full = true;
    p.folder.append("a", "one\ntwo\n");
    InodeKey key = p.offer("a");
    p.pass(1s);
    p.folder.remove("a");
    p.shard->gone(key);
    p.pass(11s);
    CHECK(p.finished.empty());
    CHECK(p.delivered(1).empty());
    p.sinks[1]->full = false;
    p.pass(250ms);
    CHECK(p.delivered(1) == Lines{"one", "two"});
    CHECK(p.sinks[1]->position(p.last)->position == 8);
    p.pass(2s);
    CHECK(p.finished.size() == 1);
  }

  TEST_CASE("lagging sinks: what is owed of a deleted file counts in hold_deleted_bytes; beyond, that sink loses it") {
    pipeline::Registry gauges;
    FileReaderOptions reading;
    reading.deleted = std::make_shared<DeletedFiles>(8, gauges);
    Pair p(nullptr, reading);
    p.sinks[1]->full = true;
    p.folder.append("a", "one\ntwo\n");
    InodeKey key = p.offer("a");
    p.pass(1s);
    p.folder.remove("a");
    p.shard->gone(key);
    p.pass(11s);
    CHECK(gauges.render().find("skidway_agent_source_deleted_unread_bytes 8") != std::string::npos);
    CHECK(p.finished.empty());
    reading.deleted->set_limit(7);
    p.pass(2s);
    CHECK(p.finished.size() == 1);
    p.sinks[1]->full = false;
    p.pass(1s);
    CHECK(p.delivered(0) == Lines{"one", "two"});
    CHECK(p.delivered(1).empty());
    CHECK(p.sinks[1]->position(p.last)->position == 8);
    CHECK(p.ledger->losses.size() == 1);
    CHECK(p.ledger->losses[{1, "read:owed_lines"}] == 8);
  }

  TEST_CASE("lagging sinks: what is owed of a file that is truncated is counted as lost, and the position passes") {
    Pair p;
    p.folder.append("a", "one\n");
    p.offer("a");
    p.pass(250ms);
    FileId before = p.last;
    p.sinks[1]->full = true;
    p.folder.append("a", "two\n");
    p.pass(1s);
    p.folder.truncate("a");
    p.folder.append("a", "new\n");
    p.pass(1s);
    p.sinks[1]->full = false;
    p.pass(1s);
    CHECK(p.delivered(0) == Lines{"one", "two", "new"});
    CHECK(p.delivered(1) == Lines{"one", "new"});
    CHECK(p.sinks[1]->position(before)->position == 8);
    CHECK(p.metric("skidway_agent_source_lost_bytes_total{source=\"test\"} 4"));
  }

  TEST_CASE("lagging sinks: the stages count and drop nothing a second time") {
    Pair p(
        stages_of("[[stage]]\ntype = \"drop\"\nexpression = \"^no\"\n"
                  "[[stage]]\ntype = \"metrics\"\n[[stage.metrics]]\ntype = \"counter\"\nname = \"lines\"\n"
                  "match_all = true\naction = \"inc\"\n"));
    p.sinks[1]->full = true;
    p.folder.append("a", "one\nno\ntwo\n");
    p.offer("a");
    p.pass(1s);
    p.sinks[1]->full = false;
    p.pass(1s);
    CHECK(p.delivered(0) == Lines{"one", "two"});
    CHECK(p.delivered(1) == Lines{"one", "two"});
    CHECK(p.servers[0].entries() == p.servers[1].entries());
    CHECK(p.metric("skidway_agent_source_read_lines_total{source=\"test\"} 3"));
  }

  TEST_CASE("lagging sinks: a joined entry that was begun before comes once, in one piece") {
    Pair p(stages_of("[[stage]]\ntype = \"multiline\"\nfirstline = \"^>\"\nmax_wait_time = \"3s\"\n"));
    p.folder.append("a", ">1\n");
    p.offer("a");
    p.pass(250ms);
    p.sinks[1]->full = true;
    p.folder.append("a", "2\n>3\n");
    p.pass(1s);
    p.sinks[1]->full = false;
    p.folder.append("a", "4\n>5\n");
    p.pass(5s);
    CHECK(p.delivered(0) == Lines{">1\n2", ">3\n4", ">5"});
    CHECK(p.delivered(1) == Lines{">1\n2", ">3\n4", ">5"});
  }

  TEST_CASE("lagging sinks: a file in which an owed entry begins is passed after it, whatever becomes of the file") {
    Pair p(stages_of("[[stage]]\ntype = \"multiline\"\nfirstline = '^\\S'\nmax_wait_time = \"10s\"\n"));
    p.folder.append("a.1", "one\ntwo\n");
    const InodeKey old = p.offer("a.1", "a");
    const FileId elder = p.last;
    p.pass(500ms);
    p.sinks[1]->full = true;
    p.folder.append("a", "  more of two\nthree\n");
    p.offer("a", "a");
    p.pass(1s);  // "two" and what belongs to it are owed to the second sink
    CHECK(p.delivered(0) == Lines{"one", "two\n  more of two"});
    CHECK(p.delivered(1) == Lines{"one"});
    p.folder.append("a.1", "late\n");  // its writer had not reopened it yet
    p.pass(1s);
    p.shard->rotated(old);
    p.folder.remove("a.1");
    p.shard->gone(old);
    p.pass(5min);  // silent for long
    (void)p.delivered(0);
    (void)p.delivered(1);
    CHECK(p.sinks[0]->position(elder)->position == 13);
    CHECK(p.sinks[1]->position(elder)->position == 4);
    CHECK(p.finished.empty());
    p.sinks[1]->full = false;
    p.pass(5min);
    Lines got = p.delivered(1);
    std::sort(got.begin(), got.end());
    CHECK(got == Lines{"late", "one", "three", "two\n  more of two"});
    CHECK(p.sinks[1]->position(elder)->position == 13);
    CHECK(p.finished == std::vector<InodeKey>{old});
  }

  TEST_CASE("owed lines: are kept in few bytes, counted in the memory budget") {
    Pair p;
    std::string line(99, 'x');
    p.folder.append("a", line + "\n");
    p.offer("a");
    p.pass(250ms);
    p.sinks[1]->full = true;
    const uint64_t before = p.memory.used_bytes();
    for (int i = 0; i < 20; ++i) {
      std::string block;
      for (int k = 0; k < 10'000; ++k) block += line + "\n";
      p.folder.append("a", block);
      p.pass(500ms);
    }
    CHECK(p.metric("skidway_agent_source_owed_bytes{source=\"test\"} 20000000"));
    CHECK(p.memory.used_bytes() - before > 1'000);
    CHECK(p.memory.used_bytes() - before < 100'000);
    p.sinks[1]->full = false;
    p.pass(10s);
    CHECK(p.delivered(1).size() == 200'001);
    CHECK(p.memory.used_bytes() <= before + 8192);  // the block may have grown by a page
  }

  TEST_CASE("patience: a sink that is full again and again holds others up for one part in twenty of the time") {
    Patience patience;
    std::chrono::nanoseconds now = 1h, waited{0};
    for (auto end = now + 100s; now < end;) {
      auto since = now;
      while (!patience.is_spent(now) && now - since < 50ms) now += 1ms;  // full for 50 ms
      waited += now - since;
      patience.rest(now);
      now += 50ms;
    }
    CHECK(waited < 6s);
    CHECK(waited > 3s);
  }
}
