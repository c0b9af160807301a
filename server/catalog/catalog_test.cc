#include "server/catalog/catalog.h"

#include <atomic>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "pipeline/db/database.h"

using namespace server;
using pipeline::Errc;
using pipeline::FakeClock;

namespace {

struct CatalogFixture {
  CatalogFixture() {
    char path[] = "/tmp/skidway-catalog-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    folder = path;
    reopen();
  }
  ~CatalogFixture() {
    catalog.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  void reopen() {
    catalog.reset();
    auto opened = open_sqlite_catalog({.path = folder + "/catalog.db"}, clock);
    REQUIRE_MESSAGE(opened, opened.error().message);
    catalog = *std::move(opened);
  }
  std::set<uint64_t> live() {
    std::set<uint64_t> out;
    auto snapshot = *catalog->snapshot();
    for (const ObjectRow& row : snapshot->objects) out.insert(row.summary.object.low);
    return out;
  }

  std::string folder;
  FakeClock clock;
  std::unique_ptr<Catalog> catalog;
};

ObjectRow row(uint64_t id, int level = 0) {
  ObjectRow out;
  out.key = "c/l0/" + std::to_string(id);
  out.summary = {.object = {1, id},
                 .level = level,
                 .tenants = {"", "fake"},
                 .min_time = -5,
                 .max_time = 1'700'000'000'000'000'000,
                 .rows = 10,
                 .streams = 3,
                 .raw_bytes = 1000,
                 .size = 200,
                 .footer_length = 90,
                 .ids_length = 40};
  return out;
}

std::vector<ObjectRow> rows(std::initializer_list<uint64_t> ids) {
  std::vector<ObjectRow> out;
  for (uint64_t id : ids) out.push_back(row(id));
  return out;
}

std::vector<Ulid> ids(std::initializer_list<uint64_t> lows) {
  std::vector<Ulid> out;
  for (uint64_t low : lows) out.push_back({1, low});
  return out;
}

}  // namespace

TEST_SUITE("server/catalog") {
  TEST_CASE("catalogue: what was committed is live, also after a restart") {
    CatalogFixture fixture;
    Ulid cluster = fixture.catalog->cluster();
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2}), {}, 17));
    REQUIRE(fixture.catalog->commit_l0(rows({3}), {}, 12));
    for (bool restart : {false, true}) {
      if (restart) fixture.reopen();
      auto snapshot = *fixture.catalog->snapshot();
      CHECK(snapshot->version == 2);
      CHECK(snapshot->flushed_frame == 17);  // never lowered
      REQUIRE(snapshot->objects.size() == 3);
      CHECK(snapshot->objects[1].key == "c/l0/2");
      CHECK(snapshot->objects[1].summary == row(2).summary);
      CHECK(fixture.catalog->cluster() == cluster);
      CHECK(*fixture.catalog->snapshot() == snapshot);  // the same pointer while nothing changes
    }
    CatalogFixture other;
    CHECK(other.catalog->cluster() != cluster);
  }

  TEST_CASE("catalogue: a repeated commit changes nothing, even after compaction took its objects") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    CHECK(fixture.live() == std::set<uint64_t>{1});
    REQUIRE(fixture.catalog->swap(ids({1}), rows({9})));
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    CHECK(fixture.live() == std::set<uint64_t>{9});
  }

  TEST_CASE("catalogue: a swap takes all inputs and gives all outputs, or does nothing") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2, 3}), {}, 1));
    auto before = *fixture.catalog->snapshot();
    REQUIRE(fixture.catalog->swap(ids({1, 2}), rows({8})));
    CHECK(fixture.live() == std::set<uint64_t>{3, 8});
    CHECK(before->objects.size() == 3);  // snapshots never change
    CHECK((*fixture.catalog->snapshot())->version > before->version);

    CHECK(fixture.catalog->swap(ids({3, 2}), rows({9})).error().code == Errc::kInvalid);
    CHECK(fixture.live() == std::set<uint64_t>{3, 8});
    REQUIRE(fixture.catalog->swap(ids({1, 2}), rows({8})));  // the answer was lost: asked again
    CHECK(fixture.live() == std::set<uint64_t>{3, 8});
    REQUIRE(fixture.catalog->swap(ids({3}), {}));
    REQUIRE(fixture.catalog->swap(ids({3}), {}));
    CHECK(fixture.catalog->swap(ids({77}), {}).error().code == Errc::kInvalid);
    fixture.reopen();
    CHECK(fixture.live() == std::set<uint64_t>{8});
  }

  TEST_CASE("catalogue: every snapshot taken while others commit and swap is one moment, never half a swap") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    std::atomic<bool> done{false};
    std::thread writer([&] {
      for (uint64_t id = 1; id < 60; ++id) { CHECK(fixture.catalog->swap(ids({id}), rows({id + 1}))); }
      done = true;
    });
    uint64_t version = 0;
    while (!done) {
      auto snapshot = *fixture.catalog->snapshot();
      CHECK(snapshot->objects.size() == 1);
      CHECK(snapshot->objects[0].summary.object.low == snapshot->version);
      CHECK(snapshot->version >= version);
      version = snapshot->version;
    }
    writer.join();
  }

  TEST_CASE("catalogue: dead objects are named after the grace time, forgotten when told, and known until then") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2}), {}, 1));
    REQUIRE(fixture.catalog->swap(ids({1}), rows({8})));
    CHECK(fixture.catalog->dead_objects(std::chrono::hours(1))->empty());
    fixture.clock.advance(std::chrono::hours(1));
    auto dead = *fixture.catalog->dead_objects(std::chrono::hours(1));
    REQUIRE(dead.size() == 1);
    CHECK(dead[0].object == Ulid{1, 1});
    CHECK(dead[0].key == "c/l0/1");
    CHECK(*fixture.catalog->known(ids({1, 2, 5})) == ids({1, 2}));
    REQUIRE(fixture.catalog->forget_objects(ids({1, 2})));  // 2 is live and stays
    CHECK(*fixture.catalog->known(ids({1, 2, 5})) == ids({2}));
    CHECK(fixture.catalog->dead_objects(std::chrono::hours(0))->empty());
  }

  TEST_CASE("catalogue: notes on an object are kept over a restart and forgotten with it") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2}), {}, 1));
    REQUIRE(fixture.catalog->keep_note({1, 1}, "patterns", "one"));
    REQUIRE(fixture.catalog->keep_note({1, 1}, "patterns", "two"));
    REQUIRE(fixture.catalog->keep_note({1, 9}, "patterns", "of an object that is gone"));
    fixture.reopen();
    CHECK(*fixture.catalog->find_note({1, 1}, "patterns") == "two");
    CHECK_FALSE(fixture.catalog->find_note({1, 1}, "other")->has_value());
    CHECK_FALSE(fixture.catalog->find_note({1, 2}, "patterns")->has_value());
    CHECK_FALSE(fixture.catalog->find_note({1, 9}, "patterns")->has_value());
    REQUIRE(fixture.catalog->swap(ids({1}), rows({8})));
    REQUIRE(fixture.catalog->forget_objects(ids({1})));
    CHECK_FALSE(fixture.catalog->find_note({1, 1}, "patterns")->has_value());
  }

  TEST_CASE("catalogue: batch numbers are an exact set, kept as few ranges") {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      CAPTURE(seed);
      CatalogFixture fixture;
      std::mt19937_64 random(seed);
      std::map<uint64_t, std::set<uint64_t>> expected;  // by epoch
      for (int i = 0; i < 60; ++i) {
        uint64_t epoch = random() % 2, first = random() % 100, last = first + random() % 6;
        ProducerRange range{"fake", "agent-1", epoch, first, last};
        REQUIRE(fixture.catalog->commit_l0({}, std::vector{range}, 0));
        for (uint64_t n = first; n <= last; ++n) expected[epoch].insert(n);
      }
      fixture.reopen();
      std::map<uint64_t, std::set<uint64_t>> stored;
      std::map<uint64_t, uint64_t> end;  // of the range before, by epoch
      auto batches = *fixture.catalog->batches();
      for (const ProducerRange& range : batches) {
        CHECK(range.tenant == "fake");
        if (end.contains(range.epoch)) CHECK(range.first > end[range.epoch] + 1);
        end[range.epoch] = range.last;
        for (uint64_t n = range.first; n <= range.last; ++n) CHECK(stored[range.epoch].insert(n).second);
      }
      CHECK(stored == expected);
    }
  }

  TEST_CASE("catalogue: epochs unused for 35 days are forgotten, others stay") {
    CatalogFixture fixture;
    auto store = [&](uint64_t epoch, uint64_t seq) {
      REQUIRE(fixture.catalog->commit_l0({}, std::vector<ProducerRange>{{"t", "p", epoch, seq, seq}}, 0));
    };
    store(1, 1);
    store(2, 5);
    fixture.clock.advance(std::chrono::hours(34 * 24));
    store(2, 6);
    fixture.clock.advance(std::chrono::hours(2 * 24));
    CHECK(*fixture.catalog->forget_batches() == 1);
    CHECK(*fixture.catalog->batches() == std::vector<ProducerRange>{{"t", "p", 2, 5, 6}});
  }

  TEST_CASE("catalogue: numbers that no integer of it holds are not remembered, and what comes with them is stored") {
    CatalogFixture fixture;
    const ProducerRange good{"t", "p", 2, 5, 6};
    const std::vector<ProducerRange> batches{{"t", "p", 1, 3, ~uint64_t{0}}, good, {"t", "p", uint64_t{1} << 63, 1, 1}};
    REQUIRE(fixture.catalog->commit_l0(rows({1}), batches, 0));
    CHECK(fixture.live().size() == 1);
    CHECK(*fixture.catalog->batches() == std::vector{good});
  }

  TEST_CASE("catalogue: tables of a newer version are refused") {
    CatalogFixture fixture;
    fixture.catalog.reset();
    {
      auto db = pipeline::Database::open(fixture.folder + "/catalog.db", {});
      REQUIRE(db->set_schema_version(4));
    }
    auto opened = open_sqlite_catalog({.path = fixture.folder + "/catalog.db"}, fixture.clock);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::kInvalid);
    auto db = pipeline::Database::open(fixture.folder + "/catalog.db", {});
    REQUIRE(db->set_schema_version(3));
    db = pipeline::fail(Errc::kInvalid, "closed");
    fixture.reopen();
  }

  TEST_CASE("catalogue: tables of older versions are upgraded, and nothing is lost") {
    CatalogFixture fixture;
    int64_t version = 1;
    SUBCASE("version 1") {}
    SUBCASE("version 2") { version = 2; }
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2}), {}, 17));
    fixture.catalog.reset();
    {
      auto db = pipeline::Database::open(fixture.folder + "/catalog.db", {});
      REQUIRE(db->execute("ALTER TABLE object DROP COLUMN ids_length"));
      if (version == 1)
        REQUIRE(
            db->execute("ALTER TABLE object DROP COLUMN deletes_applied; "
                        "ALTER TABLE object DROP COLUMN retention; DROP TABLE job; DROP TABLE delete_request"));
      REQUIRE(db->set_schema_version(version));
    }
    fixture.reopen();
    CHECK(fixture.live() == std::set<uint64_t>{1, 2});
    REQUIRE(fixture.catalog->swap(ids({1, 2}), rows({3})));
    CHECK(fixture.live() == std::set<uint64_t>{3});
  }

  TEST_CASE("catalogue: an object is an input of one job at a time, until that ends or its lease runs out") {
    CatalogFixture fixture;
    Catalog& catalog = *fixture.catalog;
    REQUIRE(catalog.commit_l0(rows({1, 2, 3}), {}, 1));
    auto first = catalog.claim_job(ids({1, 2}), {"a"});
    REQUIRE(first);
    CHECK(catalog.claim_job(ids({2, 3}), {"b"}).error().code == Errc::kUnavailable);
    CHECK(*catalog.claimed() == ids({1, 2}));
    REQUIRE(catalog.end_job(*first));
    auto second = catalog.claim_job(ids({2, 3}), {"b"});
    REQUIRE(second);
    CHECK(*second > *first);
    fixture.clock.advance(std::chrono::seconds(20));
    REQUIRE(catalog.renew_job(*second, {"b"}));
    fixture.clock.advance(std::chrono::seconds(20));
    CHECK(catalog.claim_job(ids({3}), {"c"}).error().code == Errc::kUnavailable);
    fixture.clock.advance(std::chrono::seconds(11));
    CHECK(catalog.claimed()->empty());
    REQUIRE(catalog.claim_job(ids({3}), {"c"}));
    CHECK(catalog.renew_job(*second, {"b"}).error().code == Errc::kInvalid);
  }

  TEST_CASE("catalogue: a zombie whose job was taken over cannot swap; its outputs are to be deleted") {
    CatalogFixture fixture;
    Catalog& catalog = *fixture.catalog;
    REQUIRE(catalog.commit_l0(rows({1, 2}), {}, 1));
    uint64_t zombie = *catalog.claim_job(ids({1, 2}), {"zombie"});
    REQUIRE(catalog.plan_output(zombie, {{1, 8}, "c/l2/8"}));
    CHECK(catalog.abandoned_outputs()->empty());
    fixture.clock.advance(std::chrono::minutes(10));
    uint64_t job = *catalog.claim_job(ids({1, 2}), {"successor"});
    CHECK(catalog.swap(ids({1, 2}), rows({8}), {.job = zombie}).error().code == Errc::kInvalid);
    CHECK(catalog.plan_output(zombie, {{1, 7}, "c/l2/7"}).error().code == Errc::kInvalid);
    CHECK(fixture.live() == std::set<uint64_t>{1, 2});
    REQUIRE(catalog.plan_output(job, {{1, 9}, "c/l2/9"}));
    REQUIRE(catalog.swap(ids({1, 2}), rows({9}), {.job = job}));
    REQUIRE(catalog.swap(ids({1, 2}), rows({9}), {.job = job}));  // the answer was lost: asked again
    CHECK(fixture.live() == std::set<uint64_t>{9});
    auto abandoned = *catalog.abandoned_outputs();
    REQUIRE(abandoned.size() == 1);
    CHECK(abandoned[0].key == "c/l2/8");
    REQUIRE(catalog.forget_outputs(ids({8})));
    CHECK(catalog.abandoned_outputs()->empty());
  }

  TEST_CASE("catalogue: jobs of a program that is gone end when the next one opens the file") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    uint64_t job = *fixture.catalog->claim_job(ids({1}), {"a", std::chrono::hours(5)});
    REQUIRE(fixture.catalog->plan_output(job, {{1, 8}, "c/l2/8"}));
    fixture.reopen();
    CHECK(fixture.catalog->abandoned_outputs()->size() == 1);
    CHECK(*fixture.catalog->claim_job(ids({1}), {"b"}) > job);
  }

  TEST_CASE("catalogue: what ingest planned and did not commit is abandoned once its program is gone") {
    CatalogFixture fixture;
    for (uint64_t id : {1, 2, 3}) {
      REQUIRE(fixture.catalog->plan_output(kIngestJob, {{1, id}, "c/l0/" + std::to_string(id)}));
    }
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    CHECK(fixture.catalog->abandoned_outputs()->empty());
    CHECK(fixture.catalog->known(ids({1, 2, 3}))->size() == 3);
    REQUIRE(fixture.catalog->abandon_output({1, 2}));
    REQUIRE(fixture.catalog->abandon_output({1, 1}));  // it is live
    CHECK(fixture.catalog->abandoned_outputs()->size() == 1);
    fixture.reopen();
    CHECK(fixture.catalog->abandoned_outputs()->size() == 2);
    REQUIRE(fixture.catalog->commit_l0(rows({3}), {}, 1));  // its outcome was unknown
    CHECK(fixture.catalog->abandoned_outputs()->size() == 1);
    REQUIRE(fixture.catalog->forget_outputs(ids({2})));
    CHECK(fixture.catalog->abandoned_outputs()->empty());
    CHECK(fixture.live() == std::set<uint64_t>{1, 3});
  }

  TEST_CASE("catalogue: objects that a request does not touch are marked, all or none, and never back") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1, 2, 3}), {}, 1));
    DeleteRequest request{.id = "a1", .tenant = "fake", .query = "{a=\"b\"}", .begin = 0, .end = 10, .created = 5};
    request.number = *fixture.catalog->add_delete(request);
    const uint64_t version = (*fixture.catalog->snapshot())->version;
    REQUIRE(fixture.catalog->mark_applied(ids({1, 2}), 1));
    CHECK((*fixture.catalog->snapshot())->version > version);
    CHECK_FALSE(*fixture.catalog->is_applied(request));
    REQUIRE(fixture.catalog->mark_applied(ids({3, 7}), 1));  // 7 is not there
    CHECK(*fixture.catalog->is_applied(request));
    REQUIRE(fixture.catalog->mark_applied(ids({1}), 0));
    for (bool restart : {false, true}) {
      if (restart) fixture.reopen();
      auto snapshot = *fixture.catalog->snapshot();
      for (const ObjectRow& row : snapshot->objects) CHECK(row.summary.deletes_applied == 1);
    }
  }

  TEST_CASE("catalogue: objects that could not be read for a request are kept with it") {
    CatalogFixture fixture;
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    REQUIRE(fixture.catalog->add_delete({.id = "a", .tenant = "fake"}));
    SwapDetails details;
    details.unreadable = {{1, "c/quarantine/1"}};
    REQUIRE(fixture.catalog->swap(ids({1}), {}, details));
    REQUIRE(fixture.catalog->add_delete({.id = "b", .tenant = "fake", .unreadable = {"c/quarantine/9"}}));
    fixture.reopen();
    auto all = *fixture.catalog->deletes();
    REQUIRE(all.size() == 2);
    CHECK(all[0].unreadable == std::vector<std::string>{"c/quarantine/1"});
    CHECK(all[1].unreadable == std::vector<std::string>{"c/quarantine/9"});
  }

  TEST_CASE("catalogue: a lease has one owner at a time, and a new owner a higher fence") {
    CatalogFixture fixture;
    Catalog& catalog = *fixture.catalog;
    CHECK(*catalog.take_lease("janitor", {"a"}) == 1);
    CHECK(*catalog.take_lease("janitor", {"a"}) == 1);
    CHECK(catalog.take_lease("janitor", {"b"}).error().code == Errc::kUnavailable);
    CHECK(*catalog.take_lease("other", {"b"}) == 1);
    fixture.clock.advance(std::chrono::seconds(30));
    CHECK(*catalog.take_lease("janitor", {"b"}) == 2);
    CHECK(catalog.take_lease("janitor", {"a"}).error().code == Errc::kUnavailable);
  }

  TEST_CASE("catalogue: a request to delete is applied when no object of before has its range any more, dead or live") {
    CatalogFixture fixture;
    Catalog& catalog = *fixture.catalog;
    REQUIRE(catalog.commit_l0(rows({1}), {}, 1));
    DeleteRequest request{.id = "a1", .tenant = "fake", .query = "{a=\"b\"}", .begin = 0, .end = 10, .created = 5};
    request.number = *catalog.add_delete(request);
    CHECK(request.number == 1);
    CHECK((*catalog.snapshot())->deletes == std::vector{request});
    CHECK_FALSE(*catalog.is_applied(request));
    ObjectRow late = row(2), merged = row(3, 2);
    late.summary.deletes_applied = merged.summary.deletes_applied = 1;
    REQUIRE(catalog.commit_l0(std::vector{late}, {}, 2));
    REQUIRE(catalog.swap(ids({1}), std::vector{merged}, {.job = 0, .erased = {{1, 4, 400}}}));
    CHECK_FALSE(*catalog.is_applied(request));  // the old object is dead and still there
    REQUIRE(catalog.forget_objects(ids({1})));
    CHECK(*catalog.is_applied(request));
    fixture.clock.advance(std::chrono::seconds(1));
    REQUIRE(catalog.finish_delete(1));
    CHECK((*catalog.snapshot())->deletes.empty());
    CHECK(catalog.cancel_delete(1).error().code == Errc::kInvalid);
    CHECK(catalog.cancel_delete(7).error().code == Errc::kNotFound);
    fixture.reopen();
    auto all = *fixture.catalog->deletes();
    REQUIRE(all.size() == 1);
    CHECK(all[0].removed_entries == 4);
    CHECK(all[0].removed_bytes == 400);
    CHECK(all[0].processed == fixture.clock.wall());
    CHECK((*fixture.catalog->snapshot())->last_delete == 1);
    CHECK((*fixture.catalog->snapshot())->objects[0].summary.deletes_applied == 1);
  }

  TEST_CASE("catalogue: times written by a clock that was ahead are corrected, and deaths keep their order") {
    CatalogFixture fixture;
    Catalog& catalog = *fixture.catalog;
    const auto ahead = std::chrono::hours(48);
    REQUIRE(catalog.commit_l0(rows({1, 2, 3, 4}), {}, 1));
    REQUIRE(catalog.swap(ids({4}), {}));
    fixture.clock.advance(std::chrono::seconds(1));
    const UnixNanos right = fixture.clock.wall();
    fixture.clock.jump_wall(ahead);
    REQUIRE(catalog.swap(ids({3}), rows({9})));
    fixture.clock.advance(std::chrono::seconds(1));
    REQUIRE(catalog.swap(ids({1}), rows({5})));
    REQUIRE(catalog.add_delete({.id = "a", .created = fixture.clock.wall()}));
    REQUIRE(catalog.add_delete({.id = "b", .created = right}));
    REQUIRE(catalog.add_delete({.id = "c", .created = right}));
    REQUIRE(catalog.finish_delete(3));
    fixture.clock.jump_wall(-ahead);
    fixture.clock.advance(std::chrono::seconds(1));
    const UnixNanos now = fixture.clock.wall();
    REQUIRE(catalog.swap(ids({5, 2}), rows({6})));  // 5 came of 1: it must not be deleted before it
    auto order = [&] {
      std::vector<uint64_t> out;
      auto dead = *fixture.catalog->dead_objects(std::chrono::seconds(0));
      for (const DeadObject& object : dead) out.push_back(object.object.low);
      return out;
    };
    CHECK(order() == std::vector<uint64_t>{4, 3, 1, 2, 5});
    const uint64_t version = (*catalog.snapshot())->version;
    REQUIRE(catalog.correct_times());
    const auto snapshot = *catalog.snapshot();
    CHECK(snapshot->version > version);
    CHECK(snapshot->deletes[0].created == now);
    CHECK(snapshot->deletes[1].created == right);
    REQUIRE(catalog.correct_times());
    CHECK(*catalog.snapshot() == snapshot);  // nothing to do: nothing changes
    fixture.reopen();
    CHECK(order() == std::vector<uint64_t>{4, 3, 1, 2, 5});
    const auto all = *fixture.catalog->deletes();
    CHECK(all[0].created == now);
    CHECK(all[1].created == right);
    CHECK(all[2].processed == now);
  }

  TEST_CASE("catalogue: the number of a cancelled request is never given again") {
    CatalogFixture fixture;
    CHECK(*fixture.catalog->add_delete({.id = "a"}) == 1);
    REQUIRE(fixture.catalog->cancel_delete(1));
    fixture.reopen();
    CHECK((*fixture.catalog->snapshot())->last_delete == 1);
    CHECK(*fixture.catalog->add_delete({.id = "b"}) == 2);
  }

  TEST_CASE("catalogue: an empty one is restored in one step, another is not touched") {
    CatalogFixture fixture;
    CHECK(*fixture.catalog->is_empty());
    Catalog::Content content{.cluster = {7, 7}, .flushed_frame = 12, .last_delete = 5, .objects = rows({1, 2})};
    content.batches = {{"t", "p", 1, 3, 9}};
    content.deletes = {{.number = 4, .id = "d", .tenant = "t"}};
    REQUIRE(fixture.catalog->restore(content));
    for (bool restart : {false, true}) {
      if (restart) fixture.reopen();
      auto snapshot = *fixture.catalog->snapshot();
      CHECK(fixture.catalog->cluster() == Ulid{7, 7});
      CHECK(snapshot->objects.size() == 2);
      CHECK(snapshot->flushed_frame == 12);
      CHECK(snapshot->last_delete == 5);
      CHECK(snapshot->deletes.size() == 1);
      CHECK(*fixture.catalog->batches() == content.batches);
    }
    CHECK_FALSE(*fixture.catalog->is_empty());
    CHECK(fixture.catalog->restore(content).error().code == Errc::kInvalid);
  }

  TEST_CASE("catalogue: while another program writes to the file a commit fails, and works afterwards") {
    CatalogFixture fixture;
    fixture.catalog.reset();
    auto opened = open_sqlite_catalog(
        {.path = fixture.folder + "/catalog.db", .busy_timeout = std::chrono::milliseconds(10)}, fixture.clock);
    REQUIRE(opened);
    fixture.catalog = *std::move(opened);
    auto other = pipeline::Database::open(fixture.folder + "/catalog.db", {});
    {
      auto transaction = other->begin();
      REQUIRE(transaction);
      CHECK(fixture.catalog->commit_l0(rows({1}), {}, 1).error().code == Errc::kUnavailable);
      CHECK(fixture.live().empty());
    }
    REQUIRE(fixture.catalog->commit_l0(rows({1}), {}, 1));
    CHECK(fixture.live() == std::set<uint64_t>{1});
  }

  TEST_CASE("catalogue: a file that is no database is refused as corrupt") {
    CatalogFixture fixture;
    fixture.catalog.reset();
    std::filesystem::remove(fixture.folder + "/catalog.db");
    {
      std::FILE* file = std::fopen((fixture.folder + "/catalog.db").c_str(), "w");
      std::fputs(std::string(5000, 'x').c_str(), file);
      std::fclose(file);
    }
    auto opened = open_sqlite_catalog({.path = fixture.folder + "/catalog.db"}, fixture.clock);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Errc::kCorrupt);
    std::filesystem::remove(fixture.folder + "/catalog.db");
    fixture.reopen();
  }
}
