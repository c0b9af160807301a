// What stages hold of files, and changes of the configuration while they do.
#include <doctest/doctest.h>

#include "agent/source/testing/one_shard.h"
#include "pipeline/config/config.h"
#include "pipeline/stage/stage_list.h"

using namespace agent;
using namespace agent::testing;
using namespace std::chrono_literals;
using pipeline::LabelSet;
using Lines = std::vector<std::string>;

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
}  // namespace

TEST_SUITE("agent/source") {
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
