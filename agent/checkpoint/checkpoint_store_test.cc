#include "agent/checkpoint/checkpoint_store.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/checkpoint/checkpoint_tables.h"
#include "pipeline/db/database.h"

namespace agent {
namespace {

using pipeline::Errc;
using pipeline::Result;
using namespace std::chrono_literals;

const auto kLabels = std::make_shared<const std::string>(R"({app="api"})");

std::shared_ptr<const BatchRecord> record_of(BatchNumber number, FileId file, uint64_t begin, uint64_t end) {
  return std::make_shared<const BatchRecord>(
      BatchRecord{number, "team-a", false, {{file, kLabels, {{begin, end, 1'000 + static_cast<int64_t>(begin)}}}}});
}

// A data folder and the store in it, with waiting forms of the operations.
struct StoreFolder {
  std::string folder;
  std::unique_ptr<pipeline::Registry> registry = std::make_unique<pipeline::Registry>();
  std::unique_ptr<CheckpointStore> store;

  StoreFolder() {
    char name[] = "/tmp/checkpoints.XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder = name;
  }
  ~StoreFolder() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
  std::string path() const { return folder + "/checkpoints.db"; }

  Result<void> try_open(std::vector<std::string> sinks = {"hub"}) {
    store.reset();
    TRY_LET(store, CheckpointStore::open({path(), std::move(sinks), 1h}, *registry));
    return {};
  }
  const Resume& reopen() {
    auto opened = try_open();
    INFO((opened ? "" : opened.error().message));
    REQUIRE(opened);
    return store->resume();
  }
  const SinkResume& hub() const { return store->resume().sinks.at("hub"); }
  Result<void> put(std::shared_ptr<const BatchRecord> record) {
    std::promise<Result<void>> done;
    store->put_records("hub", {std::move(record)}, [&](Result<void> r) { done.set_value(std::move(r)); });
    return done.get_future().get();
  }
  void flush() {
    std::promise<void> done;
    store->flush([&](Result<void> r) {
      CHECK(r);
      done.set_value();
    });
    done.get_future().wait();
  }
};

// Runs `work` in a child process and kills that with SIGKILL once it has returned.
void run_and_kill(const std::function<void()>& work) {
  pid_t child = ::fork();
  if (child == 0) {
    work();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
}

TEST_SUITE("agent/checkpoint") {
  TEST_CASE("checkpoint: a sink added later has a number of its own, and finds what it left") {
    StoreFolder f;
    f.reopen();
    REQUIRE(f.store->add_sink("later").has_value());
    REQUIRE(f.store->add_file({.source = "pods", .path = "/a"}) == FileId{1});
    const SinkResume& first = f.store->resume().sinks.at("later");
    CHECK(first.producer.epoch == 1);
    CHECK(first.records.empty());
    std::promise<Result<void>> done;
    f.store->put_records("later", {record_of({1, 1}, {1}, 0, 30)},
                         [&](Result<void> r) { done.set_value(std::move(r)); });
    REQUIRE(done.get_future().get().has_value());
    f.store->save_positions("later", {{{1}, 30, 5}});
    std::string uuid = first.producer.uuid;
    REQUIRE(f.store->add_sink("later").has_value());
    const SinkResume& again = f.store->resume().sinks.at("later");
    CHECK(again.producer.uuid == uuid);
    CHECK(again.producer.epoch == 2);
    REQUIRE(again.records.size() == 1);
    CHECK(again.positions.at({1}).position == 30);
  }

  TEST_CASE("store: a new folder starts with a new producer, and each start raises its epoch") {
    StoreFolder f;
    f.reopen();
    Producer first = f.hub().producer;
    CHECK(first.epoch == 1);
    CHECK(first.uuid.size() == 36);
    CHECK(first.uuid[14] == '4');
    f.reopen();
    CHECK(f.hub().producer.uuid == first.uuid);
    CHECK(f.hub().producer.epoch == 2);
  }

  TEST_CASE("store: files, positions and records are there again after a kill -9") {
    StoreFolder f;
    FileRecord file{"pods", 5, 77, 0xfeedfacefeedfaceull, 256, "/var/log/pods/a/0.log", 3};
    run_and_kill([&] {
      f.reopen();
      FileId id = f.store->add_file(file);
      f.store->save_positions("hub", {{id, 10, 42}});
      if (!f.put(record_of({1, 1}, id, 10, 30)) || !f.put(record_of({1, 2}, id, 30, 50))) ::_exit(1);
      f.store->ack("hub", {1, 2});
      f.flush();
    });
    const Resume& resume = f.reopen();
    REQUIRE(resume.files.size() == 1);
    FileId id = resume.files.begin()->first;
    CHECK(resume.files.at(id) == file);
    CHECK(f.hub().positions.at(id) == FilePosition{id, 10, 42});
    REQUIRE(f.hub().records.size() == 2);
    const BatchRecord& record = f.hub().records[0];
    CHECK(record.number == BatchNumber{1, 1});
    CHECK(record.tenant == "team-a");
    CHECK(!record.acked);
    CHECK(*record.segments[0].labels == *kLabels);
    CHECK(record.segments[0].ranges == std::vector<LineRange>{{10, 30, 1'010}});
    CHECK(f.hub().records[1].acked);
  }

  TEST_CASE("store: what was not asked to be on disk at once is lost in a kill, and nothing else") {
    StoreFolder f;
    run_and_kill([&] {
      f.reopen();
      FileId id = f.store->add_file({.source = "pods", .path = "/a"});
      if (!f.put(record_of({1, 1}, id, 0, 30))) ::_exit(1);
      f.store->ack("hub", {1, 1});  // waits for company: an hour in this test
    });
    f.reopen();
    REQUIRE(f.hub().records.size() == 1);
    CHECK(!f.hub().records[0].acked);
    CHECK(f.store->resume().files.size() == 1);
  }

  TEST_CASE("store: closing writes what waits") {
    StoreFolder f;
    f.reopen();
    FileId id = f.store->add_file({.source = "pods", .path = "/a"});
    f.store->save_positions("hub", {{id, 99, 1}});
    f.reopen();
    CHECK(f.hub().positions.at(id).position == 99);
  }

  TEST_CASE("store: an acked record stays until the position has passed its last byte") {
    StoreFolder f;
    f.reopen();
    FileId id = f.store->add_file({.source = "pods", .path = "/a"});
    REQUIRE(f.put(record_of({1, 1}, id, 0, 30)));
    REQUIRE(f.put(record_of({1, 2}, id, 30, 60)));
    f.store->ack("hub", {1, 2});
    f.store->save_positions("hub", {{id, 0, 1}});
    f.reopen();
    CHECK(f.hub().records.size() == 2);
    f.store->ack("hub", {1, 1});
    f.store->save_positions("hub", {{id, 59, 1}});
    f.reopen();
    REQUIRE(f.hub().records.size() == 1);
    CHECK(f.hub().records[0].number == BatchNumber{1, 2});
    f.store->save_positions("hub", {{id, 60, 1}});
    f.reopen();
    CHECK(f.hub().records.empty());
  }

  TEST_CASE("store: a forgotten file takes its positions along and holds no record back") {
    StoreFolder f;
    f.reopen();
    FileId gone = f.store->add_file({.source = "pods", .path = "/a"});
    FileId other = f.store->add_file({.source = "pods", .path = "/b"});
    auto record = std::make_shared<BatchRecord>(*record_of({1, 1}, gone, 0, 30));
    record->segments.push_back({other, kLabels, {{0, 10, 1}}});
    REQUIRE(f.put(record));
    f.store->ack("hub", {1, 1});
    f.store->save_positions("hub", {{gone, 30, 1}});
    f.store->forget_file(gone);
    f.reopen();
    CHECK(f.store->resume().files.count(gone) == 0);
    CHECK(f.hub().positions.count(gone) == 0);
    CHECK(f.hub().records.size() == 1);  // `other` has not passed it
    CHECK(f.store->add_file({.source = "pods", .path = "/c"}) > other);
    f.store->save_positions("hub", {{other, 10, 1}, {gone, 30, 1}});
    f.reopen();
    CHECK(f.hub().records.empty());
  }

  TEST_CASE("store: a position of a file that was forgotten is not kept, and no new file gets its id") {
    StoreFolder f;
    f.reopen();
    FileId gone = f.store->add_file({.source = "pods", .path = "/a"});
    f.store->forget_file(gone);
    f.store->save_positions("hub", {{gone, 30, 1}});
    f.reopen();
    CHECK(f.hub().positions.empty());
    f.store.reset();
    {  // as earlier versions left it
      auto db = pipeline::Database::open(f.path(), {});
      REQUIRE(db.has_value());
      REQUIRE(db->execute("INSERT INTO positions SELECT id, 7, 30, 1 FROM sinks").has_value());
    }
    f.reopen();
    CHECK(f.hub().positions.empty());
    CHECK(f.store->add_file({.source = "pods", .path = "/b"}) == FileId{8});
  }

  TEST_CASE("store: an id that only a record still names is not given to a new file") {
    StoreFolder f;
    f.reopen();
    FileId gone = f.store->add_file({.source = "pods", .path = "/a"});
    REQUIRE(f.put(record_of({1, 1}, gone, 0, 30)));
    f.store->forget_file(gone);
    f.reopen();
    CHECK(f.store->add_file({.source = "pods", .path = "/b"}) > gone);
  }

  TEST_CASE("store: an id that nothing names any more is not given to a new file: a spool may have it") {
    StoreFolder f;
    f.reopen();
    FileId kept = f.store->add_file({.source = "pods", .path = "/a"});
    FileId gone = f.store->add_file({.source = "pods", .path = "/b"});
    f.store->forget_file(gone);
    f.store->forget_file(kept);
    f.reopen();
    f.reopen();
    CHECK(f.store->resume().cursors.empty());
    CHECK(f.store->add_file({.source = "pods", .path = "/c"}) > gone);
  }

  TEST_CASE("store: what a sink left stays while the configuration does not name it") {
    StoreFolder f;
    f.reopen();
    FileId id = f.store->add_file({.source = "pods", .path = "/a"});
    REQUIRE(f.put(record_of({1, 1}, id, 0, 30)));
    std::string uuid = f.hub().producer.uuid;
    REQUIRE(f.try_open({"backup"}));
    CHECK(f.store->resume().sinks.count("hub") == 0);
    f.reopen();
    CHECK(f.hub().producer.uuid == uuid);
    REQUIRE(f.hub().records.size() == 1);
    CHECK(*f.hub().records[0].segments[0].labels == *kLabels);
  }

  TEST_CASE("store: a damaged file is set aside and a fresh one begins") {
    StoreFolder f;
    SUBCASE("not a database") { std::ofstream(f.path()) << std::string(8192, 'x'); }
    SUBCASE("a page overwritten") {
      f.reopen();
      for (int i = 0; i < 500; i++) f.store->add_file({.source = "pods", .path = std::string(100, 'p')});
      f.store.reset();
      std::fstream file(f.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(4096 * 3);
      file << std::string(4096, '\xee');
    }
    const Resume& resume = f.reopen();
    CHECK(resume.files.empty());
    CHECK(f.hub().producer.epoch == 1);
    CHECK(std::filesystem::exists(f.path() + ".corrupt-1"));
  }

  TEST_CASE("store: says when an earlier run wrote last") {
    StoreFolder f;
    CHECK(f.reopen().last_written == 0);
    CHECK(f.reopen().last_written > 0);
    const pipeline::UnixNanos before = f.store->resume().last_written;
    f.store->save_cursor("host", "cursor", "x");
    CHECK(f.reopen().last_written >= before);
    CHECK(f.store->resume().last_written <= pipeline::SystemClock().wall());
    f.store.reset();
    const timespec time{1'000, 0}, times[2] = {time, time};
    REQUIRE(::utimensat(AT_FDCWD, f.path().c_str(), times, 0) == 0);
    REQUIRE(CheckpointTables::view(f.path()));  // who only looks writes nothing
    CHECK(f.reopen().last_written == 1'000'000'000'000);
    CheckpointStoreOptions fresh;
    fresh.path = ":memory:";
    pipeline::Registry registry;
    CHECK((*CheckpointStore::open(fresh, registry))->resume().last_written == 0);
  }

  TEST_CASE("store: a held cursor is on disk with what it was held for, and not before") {
    using Texts = std::map<std::string, std::string>;
    StoreFolder f;
    f.reopen();
    f.store->hold_cursor("host", "a", "1");
    CHECK(f.store->cursors("host") == Texts{{"a", "1"}});
    f.flush();
    CHECK(f.reopen().cursors.empty());
    f.store->hold_cursor("host", "a", "1");
    f.store->hold_cursor("host", "b", "1");
    f.store->hold_cursor("host", "a", "2");
    f.store->hold_cursor("other", "a", "9");
    f.store->save_held("host", {"", "sums of host", "3 entries"});
    CHECK(f.store->cursors("") == Texts{{"sums of host", "3 entries"}});
    const auto expected =
        std::map<std::string, Texts>{{"host", {{"a", "2"}, {"b", "1"}}}, {"", {{"sums of host", "3 entries"}}}};
    CHECK(f.reopen().cursors == expected);
    f.store->save_held("host", {"", "sums of host", "3 entries"});  // nothing new
    CHECK(f.reopen().cursors == expected);
    f.store->hold_cursor("host", "b", "");
    f.store->save_held("host", {"", "sums of host", "3 entries"});
    CHECK(f.reopen().cursors.at("host") == Texts{{"a", "2"}});
    f.store->hold_cursor("host", "a", "3");
    f.store->save_cursor("host", "a", "4");  // the later one
    f.store->save_held("host", {"", "sums of host", "4 entries"});
    CHECK(f.reopen().cursors ==
          std::map<std::string, Texts>{{"host", {{"a", "4"}}}, {"", {{"sums of host", "4 entries"}}}});
  }

  TEST_CASE("store: cursors are there again after a restart, until they are removed") {
    StoreFolder f;
    f.reopen();
    f.store->save_cursor("host", "cursor", "s=1;i=2");
    f.store->save_cursor("host", "other", "x");
    f.store->save_cursor("host", "cursor", "s=1;i=3");
    CHECK(f.reopen().cursors.at("host") == std::map<std::string, std::string>{{"cursor", "s=1;i=3"}, {"other", "x"}});
    f.store->save_cursor("host", "other", "");
    CHECK(f.store->cursors("host") == std::map<std::string, std::string>{{"cursor", "s=1;i=3"}});
    CHECK(f.store->cursors("nobody").empty());
    CHECK(f.reopen().cursors.at("host").size() == 1);
  }

  TEST_CASE("store: a file made by version 1 gets what is new") {
    StoreFolder f;
    f.reopen();
    f.store.reset();
    {
      auto db = pipeline::Database::open(f.path(), {});
      REQUIRE(db);
      REQUIRE(db->execute("DROP TABLE cursors; DROP TABLE drops; DROP TABLE faults"));
      REQUIRE(db->set_schema_version(1));
    }
    f.reopen();
    f.store->save_cursor("host", "cursor", "s=1");
    CHECK(f.reopen().cursors.at("host").at("cursor") == "s=1");
  }

  TEST_CASE("store: a file made by a newer version is refused and left as it is") {
    StoreFolder f;
    {
      auto db = pipeline::Database::open(f.path(), {});
      REQUIRE(db);
      REQUIRE(db->set_schema_version(99));
    }
    auto opened = f.try_open();
    REQUIRE(!opened);
    CHECK(opened.error().code == Errc::kInvalid);
    CHECK(opened.error().message == f.path() + ": made by a newer version of skidway-agent");
    CHECK(!std::filesystem::exists(f.path() + ".corrupt-1"));
  }

  TEST_CASE("store: a folder that is not there is an error that names the file") {
    StoreFolder f;
    std::filesystem::remove_all(f.folder);
    auto opened = f.try_open();
    REQUIRE(!opened);
    CHECK(opened.error().message.find(f.path()) != std::string::npos);
  }

  TEST_CASE("store: a record waits while the disk refuses, and is written when it works again") {
    StoreFolder f;
    f.reopen();
    auto other = pipeline::Database::open(f.path(), {});
    REQUIRE(other);
    REQUIRE(other->execute("ALTER TABLE batches RENAME TO hidden"));
    std::promise<Result<void>> done;
    f.store->put_records("hub", {record_of({1, 1}, {1}, 0, 30)}, [&](Result<void> r) { done.set_value(std::move(r)); });
    auto answer = done.get_future();
    while (f.registry
               ->counter("skidway_agent_checkpoint_failures_total",
                         "Transactions of the checkpoint store that failed and are tried again.")
               .value() == 0)
      std::this_thread::yield();
    CHECK(answer.wait_for(0s) == std::future_status::timeout);
    SUBCASE("it works again") {
      REQUIRE(other->execute("ALTER TABLE hidden RENAME TO batches"));
      CHECK(answer.get());
      f.reopen();
      CHECK(f.hub().records.size() == 1);
    }
    SUBCASE("the store is closed first") {
      f.store.reset();
      CHECK(answer.get().error().code == Errc::kCancelled);
    }
  }

  TEST_CASE("store: label sets that no record names any more are dropped at the next start") {
    StoreFolder f;
    f.reopen();
    FileId id = f.store->add_file({.source = "pods", .path = "/a"});
    REQUIRE(f.put(record_of({1, 1}, id, 0, 30)));
    f.store->ack("hub", {1, 1});
    f.store->save_positions("hub", {{id, 30, 1}});
    f.reopen();
    f.store.reset();
    auto db = pipeline::Database::open(f.path(), {});
    REQUIRE(db);
    auto count = db->prepare("SELECT count(*) FROM labels");
    REQUIRE(count);
    REQUIRE(count->step());
    CHECK(count->integer(0) == 0);
  }
}

}  // namespace
}  // namespace agent
