#include "server/compact/garbage_collector.h"

#include <doctest/doctest.h>

#include "server/compact/quarantine.h"
#include "server/compact/testing/compact_fixture.h"

using namespace server;

namespace {

// A store whose listings are those of an earlier moment.
class LateList final : public ObjectStore {
 public:
  explicit LateList(ObjectStore& inner) : inner_(inner) {}
  void remember(const std::string& folder) { seen_[folder] = *inner_.list(folder); }

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override { return inner_.create(key); }
  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    return inner_.get_range(key, offset, length, out);
  }
  Result<uint64_t> size(const std::string& key) override { return inner_.size(key); }
  Result<void> remove(const std::string& key) override { return inner_.remove(key); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return seen_[folder]; }
  Result<uint64_t> remove_unfinished(const std::string& folder) override { return inner_.remove_unfinished(folder); }

 private:
  ObjectStore& inner_;
  std::map<std::string, std::vector<std::string>> seen_;
};

// What a copy of the catalogue would bring back: the catalogue's file as it is, put back by put_back().
struct Copy {
  explicit Copy(CompactFixture& fixture) : fixture_(fixture) {
    namespace fs = std::filesystem;
    for (const char* part : {"", "-wal"}) {
      if (fs::exists(path(part))) fs::copy_file(path(part), path(part) + ".copy");
    }
  }
  void put_back() {
    namespace fs = std::filesystem;
    fixture_.compactor.reset();
    fixture_.catalog.reset();
    for (const char* part : {"", "-wal", "-shm"}) {
      fs::remove(path(part));
      if (fs::exists(path(part) + ".copy")) fs::rename(path(part) + ".copy", path(part));
    }
    fixture_.restart();
  }

 private:
  std::string path(const char* part) const { return fixture_.folder + "/catalog.db" + part; }
  CompactFixture& fixture_;
};

std::string metric(const CompactFixture& fixture, std::string_view name) {
  const std::string all = fixture.registry.render();
  const size_t at = all.find("\n" + std::string(name) + " ");
  REQUIRE(at != all.npos);
  const size_t begin = at + name.size() + 2;
  return all.substr(begin, all.find('\n', begin) - begin);
}

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("garbage: what ingest committed after the copy that was put back is brought in, planned in it or not") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 4));
    const Ulid planned = fixture.ulids.make();
    const std::string key = object_key(fixture.catalog->cluster(), 0, planned);
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {planned, key}));
    Copy copy(fixture);
    ObjectBuilder builder;
    const PlainEntry entry{"t", LabelSet::from({{"pod", "0"}}), 1'600'000'000'000'000'000, "planned", {}};
    builder.add(entry);
    ObjectWriterOptions writer{.cluster = fixture.catalog->cluster(), .object = planned, .level = 0};
    writer.producers = {{"t", "p", 7, 1, 5}};
    writer.last_frame = 99;
    ObjectRow row{key, *builder.write(*fixture.store, key, writer)};
    REQUIRE(fixture.catalog->commit_l0(std::vector{row}, writer.producers, 99));
    fixture.promised.insert(entry);
    auto later = fixture.ingest(4, 8);
    REQUIRE(later);
    copy.put_back();
    fixture.check_promises();
    CHECK(metric(fixture, "skidway_server_adopted_objects_total") == "2");
    CHECK(fixture.catalog->abandoned_outputs()->empty());
    CHECK(*fixture.catalog->batches() == writer.producers);
    CHECK((*fixture.catalog->snapshot())->flushed_frame == 0);  // of the log as it is now nothing is in objects
    fixture.restart();
    fixture.check_promises();
    CHECK(metric(fixture, "skidway_server_adopted_objects_total") == "2");
    REQUIRE(fixture.compactor->merge_once(fixture.live()));
    fixture.finish();
    fixture.restart();
    fixture.check_promises();
    CHECK(fixture.stored() == fixture.live().size());
  }

  TEST_CASE("garbage: a request to delete that only the store knows is in force before an object is brought in") {
    CompactFixture fixture;
    Copy copy(fixture);
    REQUIRE(fixture.ingest(0, 4));
    fixture.remove(R"({pod="0"})");
    copy.put_back();
    REQUIRE(fixture.live().size() == 1);
    CHECK(fixture.live()[0].summary.deletes_applied == 0);
    REQUIRE((*fixture.catalog->snapshot())->deletes.size() == 1);
    CHECK((*fixture.catalog->snapshot())->deletes[0].query == R"({pod="0"})");
  }

  TEST_CASE("garbage: numbers of requests that an object says were applied to it are not given again") {
    CompactFixture fixture;
    auto row = fixture.ingest(0, 4);
    REQUIRE(row);
    row->summary.object = fixture.ulids.make();
    row->summary.deletes_applied = 7;
    REQUIRE(fixture.catalog->commit_l0(std::vector{*row}, {}, 0));
    CHECK((*fixture.catalog->snapshot())->last_delete == 7);
    CHECK(fixture.remove(R"({pod="0"})").number == 8);
  }

  TEST_CASE("garbage: what a program gave up itself is deleted at the next start, whole or not") {
    CompactFixture fixture;
    auto row = fixture.ingest(0, 4);
    REQUIRE(row);
    const Ulid given_up = fixture.ulids.make();
    const std::string key = object_key(fixture.catalog->cluster(), 0, given_up);
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {given_up, key}));
    REQUIRE(fixture.catalog->abandon_output(given_up));
    ObjectBuilder builder;
    builder.add({"t", LabelSet::from({{"pod", "0"}}), 1'600'000'000'000'000'000, "written twice", {}});
    const ObjectWriterOptions writer{.cluster = fixture.catalog->cluster(), .object = given_up, .level = 0};
    REQUIRE(builder.write(*fixture.store, key, writer));
    fixture.restart();
    CHECK_FALSE(fixture.store->size(key));
    fixture.check_promises();
  }

  TEST_CASE("garbage: a planned object that is damaged goes to the quarantine, and holds nothing up") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 4));
    const Ulid cluster = fixture.catalog->cluster();
    const Ulid damaged = fixture.ulids.make();
    const std::string key = object_key(cluster, 0, damaged), kept = quarantine_key(cluster, damaged);
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {damaged, key}));
    REQUIRE(fixture.store->put(key, "bytes that say nothing"));
    fixture.restart();
    CHECK_FALSE(fixture.store->size(key));
    std::string bytes;
    REQUIRE(fixture.store->get_range(kept, 0, *fixture.store->size(kept), bytes));
    CHECK(bytes == "bytes that say nothing");
    CHECK(metric(fixture, "skidway_server_quarantined_objects_total") == "1");
    CHECK(fixture.catalog->abandoned_outputs()->empty());
    fixture.check_promises();
    fixture.restart();
    CHECK(metric(fixture, "skidway_server_quarantined_objects_total") == "1");
  }

  TEST_CASE("garbage: an unknown object that a processed request may touch is not brought in") {
    CompactFixture fixture;
    auto row = fixture.ingest(0, 4);
    REQUIRE(row);
    std::string bytes;
    REQUIRE(fixture.store->get_range(row->key, 0, row->summary.size, bytes));
    fixture.remove(R"({pod=~".+"})");
    fixture.promised.clear();
    fixture.clock.advance(std::chrono::hours(48));
    fixture.finish();
    fixture.finish();
    REQUIRE((*fixture.catalog->deletes())[0].processed != 0);
    REQUIRE_FALSE(fixture.store->size(row->key));
    REQUIRE(fixture.store->put(row->key, bytes));  // the store did long after what it was asked to
    fixture.restart();
    CHECK(fixture.live().empty());
  }

  TEST_CASE("garbage: listings that are late delay the removal of orphans, and never cost an object") {
    CompactFixture fixture;
    LateList late(*fixture.store);
    const Ulid cluster = fixture.catalog->cluster();
    const std::string l0 = object_folder(cluster, 0), l2 = object_folder(cluster, 2);
    pipeline::Registry registry;
    GarbageCollector garbage(late, *fixture.catalog, registry, {});
    const std::atomic<bool> cancelled{false};
    REQUIRE(fixture.ingest(0, 4));
    const std::string early = object_key(cluster, 2, fixture.ulids.make());
    REQUIRE(fixture.store->put(early, "an orphan that the listing shows"));
    for (const std::string& folder : {l0, l2}) late.remember(folder);
    const std::string unseen = object_key(cluster, 2, fixture.ulids.make());
    REQUIRE(fixture.store->put(unseen, "one that it does not"));
    // Listed as live objects, and replaced since.
    REQUIRE(fixture.ingest(4, 8));
    REQUIRE(fixture.compactor->merge_once(fixture.live()));
    CHECK(*garbage.collect_orphans(fixture.clock.wall(), cancelled) == 0);
    CHECK(registry.render().find("skidway_server_unknown_objects 1") != std::string::npos);
    fixture.clock.advance(std::chrono::hours(25));
    REQUIRE(fixture.compactor->collect_garbage());  // the replaced ones are gone, and listed still
    REQUIRE(garbage.collect_orphans(fixture.clock.wall(), cancelled));
    CHECK_FALSE(fixture.store->size(early));
    CHECK(fixture.store->size(unseen));
    fixture.check_promises();
    for (const std::string& folder : {l0, l2}) late.remember(folder);
    CHECK(*garbage.collect_orphans(fixture.clock.wall(), cancelled) == 1);
    CHECK_FALSE(fixture.store->size(unseen));
    CHECK(registry.render().find("skidway_server_unknown_objects 0") != std::string::npos);
    CHECK(fixture.stored() == fixture.live().size());
    fixture.check_promises();
  }
}
