#include "agent/source/store_ledger.h"

#include <doctest/doctest.h>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/sink.h"
#include "agent/source/file_handle.h"
#include "agent/source/testing/temp_folder.h"

using namespace agent;
using agent::testing::TempFolder;

namespace {
// A sink that knows positions and nothing else.
class PositionSink final : public Sink {
 public:
  const std::string& name() const override { return name_; }
  std::unique_ptr<SinkPort> open_port(std::function<void()>) override { return nullptr; }
  const std::vector<BatchRecord>& unacked() const override { return unacked_; }
  std::optional<FilePosition> position(FileId file) const override {
    auto found = positions.find(file);
    return found == positions.end() ? std::nullopt : std::optional(found->second);
  }
  void forget(FileId file) override { positions.erase(file), forgotten.push_back(file); }
  void stop(std::chrono::nanoseconds, std::function<void()>) override {}
  pipeline::Result<std::function<void()>> prepare_change(SinkOptions) override {
    return std::function<void()>([] {});
  }

  std::map<FileId, FilePosition> positions;
  std::vector<FileId> forgotten;

 private:
  const std::string name_ = "sink";
  const std::vector<BatchRecord> unacked_;
};

// One run of the agent over the same data folder.
struct Run {
  explicit Run(const TempFolder& folder) {
    CheckpointStoreOptions options;
    options.path = folder.at("checkpoints.db");
    options.sinks = {"a", "b"};
    auto opened = CheckpointStore::open(options, metrics);
    REQUIRE(opened.has_value());
    store = *std::move(opened);
    ledger = std::make_unique<StoreLedger>(*store, std::vector<Sink*>{&a, &b});
    source.name = "host";
    source.sinks = {0, 1};
  }

  pipeline::Registry metrics;
  std::unique_ptr<CheckpointStore> store;
  PositionSink a, b;
  std::unique_ptr<StoreLedger> ledger;
  SourceOptions source;
};

const InodeKey kKey{1, 77};
const std::string kHead(200, 'h');
}  // namespace

TEST_SUITE("agent/source") {
  TEST_CASE("source: a file of a former run is resumed at the lowest position of its sinks") {
    TempFolder folder;
    FileId id;
    {
      Run run(folder);
      CHECK_FALSE(run.ledger->find(run.source, kKey, "/l/a", kHead, 1000).has_value());
      id = run.ledger->adopt(run.source, FileIdentity::of(kKey, "h"), "/l/a", 5);
      run.ledger->update(id, FileIdentity::of(kKey, kHead));
    }
    Run run(folder);
    CHECK(run.ledger->last_birth_order() == 5);
    run.a.positions[id] = {id, 300, 7};
    run.b.positions[id] = {id, 200, 9};
    CHECK(run.ledger->knows(run.source, kKey));
    auto known = run.ledger->find(run.source, kKey, "/elsewhere/a.1", kHead + "more", 1000);
    REQUIRE(known.has_value());
    CHECK(known->id == id);
    CHECK(known->path == "/l/a");
    CHECK(known->position == 200);
    CHECK(known->last_read_time == 9);
    CHECK_FALSE(run.ledger->knows(run.source, kKey));  // found once
  }

  TEST_CASE("source: another file at a known inode is not taken for the old one") {
    TempFolder folder;
    FileId id;
    {
      Run run(folder);
      id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    }
    Run run(folder);
    run.a.positions[id] = {id, 300, 7};
    CHECK_FALSE(run.ledger->find(run.source, kKey, "/l/a", "other content", 1000).has_value());
    CHECK_FALSE(run.ledger->find(run.source, kKey, "/l/a", kHead, 250).has_value());  // shorter than what was read
    SourceOptions other;
    other.name = "pods";
    CHECK_FALSE(run.ledger->find(other, kKey, "/l/a", kHead, 1000).has_value());
    CHECK(run.ledger->find(run.source, kKey, "/l/a", kHead, 300).has_value());
  }

  TEST_CASE("source: a short fingerprint is believed only in the folder where the file was") {
    TempFolder folder;
    {
      Run run(folder);
      run.ledger->adopt(run.source, FileIdentity::of(kKey, ""), "/l/a", 1);
    }
    Run run(folder);
    CHECK_FALSE(run.ledger->find(run.source, kKey, "/other/a", kHead, 1000).has_value());
    CHECK(run.ledger->find(run.source, kKey, "/l/a.1", kHead, 1000).has_value());
  }

  TEST_CASE("source: a file that was seen empty is believed only under its name or that of a rotation") {
    TempFolder folder;
    FileId id;
    {
      Run run(folder);
      id = run.ledger->adopt(run.source, FileIdentity::of(kKey, ""), "/l/a.log", 3);
    }
    {
      Run run(folder);
      CHECK_FALSE(run.ledger->find(run.source, kKey, "/l/b.log", kHead, 1000).has_value());
      auto rotated = run.ledger->find(run.source, kKey, "/l/a.log.1", kHead, 1000);
      REQUIRE(rotated.has_value());
      CHECK_FALSE(rotated->is_anew);
    }
    {
      Run run(folder);
      CHECK_FALSE(run.ledger->find(run.source, kKey, "/l/b.log", "", 0).has_value());  // another, as empty
      auto empty = run.ledger->find(run.source, kKey, "/l/a.log", "", 0);
      REQUIRE(empty.has_value());
      CHECK(empty->is_anew);
    }
    {
      Run run(folder);
      auto grown = run.ledger->find(run.source, kKey, "/l/a.log", kHead, 1000);
      REQUIRE(grown.has_value());
      CHECK(grown->is_anew);
      run.ledger->set_birth_order(id, 9);
      run.ledger->update(id, FileIdentity::of(kKey, kHead.substr(0, 9)));
    }
    Run run(folder);
    CHECK(run.ledger->last_birth_order() == 9);
    run.a.positions[id] = {id, 300, 7};
    auto read = run.ledger->find(run.source, kKey, "/l/b.log", kHead, 1000);
    REQUIRE(read.has_value());
    CHECK_FALSE(read->is_anew);
    CHECK(read->birth_order == 9);
    run.a.positions.clear();
    run.ledger->release(id, 100, std::nullopt);  // handed on, not acknowledged
    CHECK(run.ledger->find(run.source, kKey, "/l/b.log", kHead, 1000).has_value());
  }

  TEST_CASE("source: a finished file is forgotten when every sink has all of it") {
    TempFolder folder;
    Run run(folder);
    FileId id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    run.a.positions[id] = {id, 500, 0};
    run.b.positions[id] = {id, 400, 0};
    run.ledger->finished(id, 500);
    run.ledger->sweep();
    CHECK(run.a.forgotten.empty());
    run.b.positions[id] = {id, 500, 0};
    run.ledger->sweep();
    CHECK(run.a.forgotten == std::vector<FileId>{id});
    CHECK(run.b.forgotten == std::vector<FileId>{id});
  }

  TEST_CASE("source: a finished file is not forgotten while a removed sink still sends of it") {
    TempFolder folder;
    Run run(folder);
    FileId id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    run.a.positions[id] = {id, 100, 1};
    run.b.positions[id] = {id, 50, 1};
    run.ledger->finished(id, 100);
    run.ledger->set_sinks({&run.a, nullptr}, {&run.b});
    run.ledger->sweep();
    CHECK(run.a.forgotten.empty());
    run.b.positions[id].position = 100;
    run.ledger->sweep();
    CHECK(run.a.forgotten == std::vector<FileId>{id});
    CHECK(run.b.forgotten == std::vector<FileId>{id});
  }

  TEST_CASE("source: known files that the first scan does not find are forgotten") {
    TempFolder folder;
    {
      Run run(folder);
      run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    }
    {
      Run run(folder);
      run.ledger->first_scan_done({"other"});  // this source's folder is not mounted yet
      CHECK(run.ledger->knows(run.source, kKey));
      run.ledger->first_scan_done({"host"});
      run.ledger->first_scan_kept("host");
      CHECK_FALSE(run.ledger->knows(run.source, kKey));
      run.ledger->sweep();
    }
    Run run(folder);
    CHECK_FALSE(run.ledger->knows(run.source, kKey));
  }

  TEST_CASE("source: until a first scan is kept nothing is forgotten, and files are known until an earlier run wrote") {
    TempFolder folder;
    const InodeKey second{1, 78}, third{1, 79};
    auto known_until = [&](Run& run, InodeKey key) {
      for (const KnownFile& known : run.ledger->missing(run.source))
        if (known.identity.key == key) return known.known_until;
      return pipeline::UnixNanos{-1};
    };
    FileId id;
    {
      Run run(folder);
      id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    }
    folder.set_modified("checkpoints.db", 1'000);
    {
      Run run(folder);
      CHECK(known_until(run, kKey) == 1'000);
      run.ledger->first_scan_done({"other"});
      run.ledger->first_scan_kept("other");
      run.ledger->adopt(run.source, FileIdentity::of(second, kHead), "/l/b", 2);
    }
    for (int start = 2; start < 5; ++start) {
      folder.set_modified("checkpoints.db", start * 1'000);
      Run run(folder);
      CHECK(known_until(run, kKey) == 1'000);
      CHECK(known_until(run, second) == 2'000);
      run.ledger->claim(id);
      run.ledger->finished(id, 0);
      run.ledger->first_scan_done({"host"});
      run.ledger->sweep();
      CHECK(run.a.forgotten.empty());
      if (start < 4) continue;
      run.ledger->adopt(run.source, FileIdentity::of(third, kHead), "/l/c", 3);
      run.ledger->first_scan_kept("host");
    }
    folder.set_modified("checkpoints.db", 5'000);
    Run run(folder);
    CHECK(known_until(run, kKey) == 5'000);
    CHECK(known_until(run, second) == 5'000);
    CHECK(known_until(run, third) == 5'000);
    run.ledger->first_scan_done({"host"});
    run.ledger->first_scan_kept("host");
    run.ledger->sweep();
    CHECK(run.a.forgotten.size() == 3);
  }

  TEST_CASE("source: a withdrawn file is found after a restart only by who wants its name, and forgotten when gone") {
    TempFolder folder;
    folder.append("a", kHead);
    auto status = *(*FileHandle::open(folder.at("a")))->status();
    FileId there, gone;
    {
      Run run(folder);
      there = run.ledger->adopt(run.source, FileIdentity::of(status.key, kHead), folder.at("a"), 1);
      gone = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), folder.at("b"), 2);
      run.ledger->release(there, 100, 150);
      run.ledger->release(gone, 100, std::nullopt);
      CHECK_FALSE(run.ledger->knows(run.source, status.key));
    }
    for (int restart = 0; restart < 2; ++restart) {
      Run run(folder);
      CHECK_FALSE(run.ledger->knows(run.source, status.key));  // a name that matches nothing brings it not back
      CHECK(run.ledger->missing(run.source).empty());
      run.ledger->first_scan_done({"host"});
      run.ledger->first_scan_kept("host");
      run.ledger->sweep();
      CHECK(run.a.forgotten.size() == (restart == 0 ? 1 : 0));  // the one that is gone
    }
    {
      Run run(folder);
      run.a.positions[there] = run.b.positions[there] = {there, 100, 0};
      auto known = run.ledger->find(run.source, status.key, folder.at("a"), kHead, kHead.size());
      REQUIRE(known.has_value());
      CHECK(known->id == there);
      CHECK(known->position == 100);
    }
    Run run(folder);
    CHECK(run.ledger->knows(run.source, status.key));  // it is read again
  }

  TEST_CASE("source: what rotation moved is missing until it is claimed; a copy is known by its inode") {
    TempFolder folder;
    Run run(folder);
    FileId id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    run.ledger->release(id, 20, 40);
    CHECK(run.ledger->missing(run.source).empty());
    auto known = run.ledger->find(run.source, kKey, "/l/a", kHead, 1000);
    REQUIRE(known.has_value());
    CHECK(known->position == 20);
    CHECK(known->cut_line_at == std::optional<uint64_t>(40));
    const InodeKey copy{1, 78};
    CHECK_FALSE(run.ledger->is_copy(run.source, copy));
    run.ledger->update(id, FileIdentity::of(copy, kHead));
    CHECK(run.ledger->is_copy(run.source, copy));
    CHECK_FALSE(run.ledger->is_copy(run.source, kKey));
  }

  TEST_CASE("source: files of a former run that were not found are missing until they are claimed") {
    TempFolder folder;
    FileId id;
    {
      Run run(folder);
      id = run.ledger->adopt(run.source, FileIdentity::of(kKey, kHead), "/l/a", 1);
    }
    Run run(folder);
    REQUIRE(run.ledger->missing(run.source).size() == 1);
    CHECK(run.ledger->missing(run.source)[0].id == id);
    run.ledger->claim(id);
    CHECK(run.ledger->missing(run.source).empty());
    CHECK_FALSE(run.ledger->knows(run.source, kKey));
    run.ledger->give_back(id);  // it was another file after all
    CHECK(run.ledger->missing(run.source).size() == 1);
    CHECK(run.ledger->find(run.source, kKey, "/l/a", kHead, 1000).has_value());
    CHECK(run.ledger->missing(run.source).empty());
    run.ledger->first_scan_done({"host"});
    run.ledger->first_scan_kept("host");
    run.ledger->sweep();
    CHECK(run.a.forgotten.empty());
  }
}
