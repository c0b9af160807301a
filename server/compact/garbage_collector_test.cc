#include "server/compact/garbage_collector.h"

#include <doctest/doctest.h>

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

}  // namespace

TEST_SUITE("server/compact") {
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
