// Requests to delete, as the compactor carries them out: what is rewritten and what only marked, what becomes of
// objects that cannot be read, and of copies that a crash left behind.
#include <doctest/doctest.h>
#include <future>
#include <random>

#include "server/compact/delete_scan.h"
#include "server/compact/quarantine.h"
#include "server/compact/testing/compact_fixture.h"

using namespace server;

namespace {

std::set<Ulid> ids_of(const std::vector<ObjectRow>& rows) {
  std::set<Ulid> out;
  for (const ObjectRow& row : rows) out.insert(row.summary.object);
  return out;
}

bool is_of_pod(const PlainEntry& entry, std::string_view pod) { return *entry.labels.get("pod") == pod; }

// The object with other bytes at [begin, end).
void spoil(CompactFixture& fixture, const ObjectRow& row, uint64_t begin, uint64_t end) {
  std::string bytes;
  REQUIRE(fixture.store->get_range(row.key, 0, row.summary.size, bytes));
  for (uint64_t i = begin; i < end; ++i) bytes[i] = static_cast<char>(bytes[i] ^ 0x55);
  REQUIRE(fixture.store->remove(row.key));
  REQUIRE(fixture.store->put(row.key, bytes));
}

uint64_t counter(const CompactFixture& fixture, const std::string& name) {
  const std::string text = fixture.registry.render();
  const size_t at = text.find("\nskidway_server_" + name + " ");
  REQUIRE(at != text.npos);
  return std::stoull(text.substr(at + name.size() + 17));
}

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("deletes: objects in which a request finds nothing are marked in one transaction, and stay as they are") {
    CompactFixture fixture;
    for (int i = 0; i < 5; ++i) REQUIRE(fixture.ingest(i * 10, i * 10 + 10));
    const auto before = ids_of(fixture.live());
    fixture.remove(R"({pod="none"})");                 // no such stream
    fixture.remove(R"({pod="1"} |= "no such text")");  // the filter or the pages say so
    DeleteRequest between;                             // no entry at that time
    between.id = "r3", between.tenant = "t", between.query = R"({pod=~".+"})";
    between.begin = 1'700'000'000'000'000'001, between.end = 1'700'001'000'000'000'000;
    REQUIRE(fixture.compactor->deletes().accept(between));
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(ids_of(fixture.live()) == before);
    CHECK(fixture.catalog->marks == 1);
    for (const ObjectRow& row : fixture.live()) CHECK(row.summary.deletes_applied == 3);
    CHECK(counter(fixture, "delete_untouched_objects_total") == 5);
    CHECK(counter(fixture, "compactions_total") == 0);
    REQUIRE(fixture.compactor->finish_deletes());
    const auto requests = *fixture.catalog->deletes();
    for (const DeleteRequest& request : requests) {
      CHECK(request.processed != 0);
      CHECK(request.removed_entries == 0);
    }
    fixture.check_promises();
    fixture.check_rebuild();
    // Nobody looks a second time, also after a restart.
    const uint64_t pages = counter(fixture, "delete_scanned_pages_total");
    fixture.restart();
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(counter(fixture, "delete_scanned_pages_total") == pages);
  }

  TEST_CASE("deletes: of many objects those are rewritten that hold something of a request, and only those") {
    CompactFixture fixture;
    for (int i = 0; i < 6; ++i) REQUIRE(fixture.ingest(i * 10, i * 10 + 10));
    const auto before = fixture.live();
    fixture.remove(R"({pod=~".+"} |= "line 33")");
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return entry.line == "line 33"; });
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();
    size_t kept = 0;
    for (const ObjectRow& row : before) kept += ids_of(fixture.live()).contains(row.summary.object);
    CHECK(kept == 5);
    CHECK(counter(fixture, "compactions_total") == 1);
    fixture.finish();
    CHECK((*fixture.catalog->deletes())[0].removed_entries == 1);
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    fixture.check_promises();
    fixture.check_rebuild();
  }

  TEST_CASE("deletes: a scan finds something exactly where an entry is touched, of thousands of random requests") {
    const uint64_t seed = std::random_device()();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    CompactFixture fixture;
    constexpr int64_t kStep = 1'000'000'000'000;
    for (int i = 0; i < 8; ++i) {
      const int from = static_cast<int>(random() % 60);
      REQUIRE(fixture.ingest(from, from + 1 + static_cast<int>(random() % 30)));
    }
    CpuShare share(1);
    share.begin();
    const std::atomic<bool> cancelled{false};
    int found = 0, nothing = 0;
    // Until both have come often, however the objects of this seed lie.
    for (int round = 0; round < 3000 || found <= 100 || nothing <= 100; ++round) {
      REQUIRE(round < 100'000);
      DeleteRequest request{.number = 1, .tenant = random() % 9 == 0 ? "other" : "t"};
      request.begin = 1'700'000'000'000'000'000 + static_cast<int64_t>(random() % 90) * kStep + (random() % 2 ? 1 : 0);
      request.end = request.begin + static_cast<int64_t>(random() % 20) * kStep + 1;
      const char* selectors[] = {R"({pod="0"})", R"({pod="1"})", R"({pod=~"1|2"})", R"({pod=~".+", pod!="2"})",
                                 R"({pod="9"})"};
      const std::string number = std::to_string(random() % 90);
      const std::string filters[] = {"",           " |= `" + number + "`",    " |= `line " + number + "`",
                                     " != `line`", " |~ `e.?" + number + "`", " | pod=`1`"};
      request.query = selectors[random() % 5] + filters[random() % 6];
      CAPTURE(request.query);
      REQUIRE(compile_delete(request));
      const Erasures erasures({request}, 1, nullptr, fixture.clock.wall());
      DeleteScan scan(*fixture.store, erasures, share, cancelled);
      const auto rows = fixture.live();
      const ObjectRow& row = rows[random() % rows.size()];
      Eraser eraser(erasures.of("t"), 0);
      bool any = false;
      const auto object = *ObjectReader::open(*fixture.store, row.key, row.summary.size, row.summary.footer_length);
      const auto entries = *read_entries(object);
      for (const PlainEntry& entry : entries) {
        EntryColumns one;
        one.append(entry.time, entry.line, MetadataView(entry.metadata));
        eraser.begin_stream(entry.labels);
        any = any || eraser.erases(one.slice(), 0);
      }
      auto outcome = scan.look(row);
      REQUIRE_MESSAGE(outcome, outcome.error().message);
      CHECK((*outcome == DeleteScan::Found::kSomething) == any);
      (any ? found : nothing)++;
    }
  }

  TEST_CASE("deletes: a damaged object does not hold up a request: it goes to the quarantine, the receipt names it") {
    for (const bool all_of_it : {false, true}) {
      CAPTURE(all_of_it);
      CompactFixture fixture;
      const ObjectRow bad = *fixture.ingest(0, 30);
      REQUIRE(fixture.ingest(100, 130));
      const uint64_t directory = bad.summary.size - bad.summary.footer_length;
      // The first bytes are those of a page; without the directory nothing can be read.
      all_of_it ? spoil(fixture, bad, directory + 8, directory + 20) : spoil(fixture, bad, 40, 60);
      fixture.remove(R"({pod="1"})");
      fixture.clock.advance(std::chrono::hours(1));
      REQUIRE(fixture.compactor->keep_promises());
      fixture.finish();
      auto request = (*fixture.catalog->deletes())[0];
      CHECK(request.processed != 0);
      const std::string kept = quarantine_key(fixture.catalog->cluster(), bad.summary.object);
      CHECK(request.unreadable == std::vector{kept});
      CHECK(*fixture.store->size(kept) == bad.summary.size);
      CHECK(fixture.store->size(bad.key).error().code == Errc::kNotFound);
      CHECK(counter(fixture, "quarantined_objects_total") == 1);
      REQUIRE(fixture.compactor->remove_orphans());
      CHECK(counter(fixture, "quarantine_objects") == 1);
      CHECK(counter(fixture, "quarantine_bytes") == bad.summary.size);
      CHECK(counter(fixture, "unreadable_entries_total") > 0);
      CHECK(fixture.registry.render().find("skidway_server_damaged_objects 0") != std::string::npos);
      auto receipts = read_kept_deletes(*fixture.store, fixture.catalog->cluster());
      REQUIRE(receipts);
      CHECK(receipts->requests[0].unreadable == request.unreadable);
      // What is left can be read, and neither it nor a catalogue that is made anew has an entry of the request.
      RebuildReport report;
      auto rebuilt = read_catalog_content(*fixture.store, fixture.catalog->cluster(), report);
      REQUIRE(rebuilt);
      CHECK(report.unreadable.empty());
      for (const auto& rows : {fixture.live(), rebuilt->objects}) {
        for (const ObjectRow& row : rows) {
          auto object = ObjectReader::open(*fixture.store, row.key, row.summary.size, row.summary.footer_length);
          REQUIRE(object);
          auto entries = read_entries(*object);
          REQUIRE(entries);
          for (const PlainEntry& entry : *entries) {
            CHECK_FALSE(is_of_pod(entry, "1"));
            CHECK(fixture.promised.contains(entry));
          }
        }
      }
      REQUIRE(fixture.catalog->deletes());
      fixture.restart();
      CHECK((*fixture.catalog->deletes())[0].unreadable == request.unreadable);
    }
  }

  TEST_CASE("deletes: an object that is not in the store any more does not hold up a request for ever, nor a merge") {
    CompactFixture fixture;
    const ObjectRow gone = *fixture.ingest(0, 30);
    REQUIRE(fixture.ingest(100, 130));
    REQUIRE(fixture.ingest(200, 230));
    REQUIRE(fixture.store->remove(gone.key));
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return entry.line.size() < 8; });
    auto compact = [&] {
      std::promise<Result<void>> done;
      fixture.compactor->compact_all([&](Result<void> outcome) { done.set_value(std::move(outcome)); });
      auto outcome = done.get_future().get();
      REQUIRE_MESSAGE(outcome, (outcome ? "" : outcome.error().message));
    };
    compact();
    auto l0 = fixture.live();
    std::erase_if(l0, [](const ObjectRow& row) { return row.summary.level != 0; });
    REQUIRE(l0.size() == 1);  // the other two are merged
    CHECK(l0[0].key == gone.key);
    CHECK(fixture.registry.render().find("skidway_server_missing_objects 1\n") != std::string::npos);
    fixture.remove(R"({pod="1"})");
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return is_of_pod(entry, "1"); });
    fixture.clock.advance(std::chrono::hours(1));
    compact();
    fixture.finish();  // seen to be missing before the request was ripe: for long enough now
    const DeleteRequest request = (*fixture.catalog->deletes())[0];
    CHECK(request.processed != 0);
    const std::string note =
        quarantine_folder(fixture.catalog->cluster()) + "/" + gone.summary.object.text() + ".missing";
    CHECK(request.unreadable == std::vector{note});
    std::string told;
    REQUIRE(fixture.store->get_range(note, 0, *fixture.store->size(note), told));
    CHECK(told.starts_with("key " + gone.key + "\nentries 30\n"));
    CHECK(counter(fixture, "lost_objects_total") == 1);
    CHECK(counter(fixture, "lost_entries_total") == 30);
    CHECK(fixture.registry.render().find("skidway_server_missing_objects 0\n") != std::string::npos);
    auto receipts = read_kept_deletes(*fixture.store, fixture.catalog->cluster());
    REQUIRE(receipts);
    CHECK(receipts->requests[0].unreadable == request.unreadable);
    fixture.check_promises();
    fixture.check_rebuild();
  }

  TEST_CASE("deletes: no object is written off while the store itself may be missing, or before the grace is over") {
    CompactFixture fixture;
    const ObjectRow away = *fixture.ingest(0, 30);
    std::string bytes;
    REQUIRE(fixture.store->get_range(away.key, 0, away.summary.size, bytes));
    REQUIRE(fixture.store->remove(away.key));
    REQUIRE(fixture.store->remove("cluster.json"));  // as of a folder that is not mounted
    fixture.remove(R"({pod="1"})");
    fixture.clock.advance(std::chrono::hours(1));
    for (int i = 0; i < 3; ++i) {
      auto kept = fixture.compactor->keep_promises();
      REQUIRE_FALSE(kept);
      CHECK(kept.error().message.find("is it the right store?") != std::string::npos);
      fixture.clock.advance(std::chrono::hours(10));
    }
    REQUIRE(claim_store(*fixture.store, fixture.catalog->cluster(), "/data"));
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(fixture.live().size() == 1);
    fixture.clock.advance(std::chrono::minutes(59));
    REQUIRE(fixture.compactor->keep_promises());
    CHECK((*fixture.catalog->deletes())[0].processed == 0);
    REQUIRE(fixture.store->put(away.key, bytes));  // it was found again
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return is_of_pod(entry, "1"); });
    fixture.finish();
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    CHECK((*fixture.catalog->deletes())[0].unreadable.empty());
    fixture.check_promises();
  }

  TEST_CASE("deletes: damage where a request touches nothing is left alone") {
    CompactFixture fixture;
    const ObjectRow bad = *fixture.ingest(0, 30);
    spoil(fixture, bad, 40, 60);
    fixture.remove(R"({pod="none"})");
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(fixture.compactor->keep_promises());
    REQUIRE(fixture.compactor->finish_deletes());
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    CHECK(fixture.live()[0].key == bad.key);
    CHECK(fixture.store->list(quarantine_folder(fixture.catalog->cluster()))->empty());
  }

  TEST_CASE(
      "deletes: what ingest wrote and a crash kept out of the catalogue is deleted before a request is processed") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    const Ulid lost = fixture.ulids.make(), given_up = fixture.ulids.make(), running = fixture.ulids.make();
    auto key = [&](const Ulid& object) { return object_key(fixture.catalog->cluster(), 0, object); };
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {lost, key(lost)}));
    REQUIRE(fixture.store->put(key(lost), "entries that will be deleted"));
    fixture.compactor->stop();
    fixture.restart();  // the program died before commit_l0
    CHECK_FALSE(fixture.store->size(key(lost)));
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {given_up, key(given_up)}));
    REQUIRE(fixture.catalog->plan_output(kIngestJob, {running, key(running)}));
    REQUIRE(fixture.store->put(key(given_up), "an answer that did not come"));
    REQUIRE(fixture.store->put(key(running), "on its way"));
    REQUIRE(fixture.catalog->abandon_output(given_up));
    fixture.remove(R"({pod="none"})");
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(fixture.compactor->keep_promises());
    REQUIRE(fixture.compactor->finish_deletes());
    CHECK((*fixture.catalog->deletes())[0].processed == 0);
    REQUIRE(fixture.compactor->collect_garbage());
    CHECK_FALSE(fixture.store->size(key(given_up)));
    CHECK(fixture.store->size(key(running)));
    REQUIRE(fixture.compactor->finish_deletes());
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    fixture.check_promises();
  }

  TEST_CASE("deletes: a keeper that could not look into the store at the start does so before anything else") {
    for (bool accepts : {false, true}) {
      CAPTURE(accepts);
      CompactFixture fixture;
      const std::string file = fixture.folder + "/catalog.db";
      fixture.compactor.reset();
      fixture.catalog.reset();
      std::filesystem::copy_file(file, file + ".old");
      fixture.restart();
      const auto request = fixture.remove(R"({pod="2"})");
      fixture.compactor.reset();
      fixture.catalog.reset();
      auto older = *open_sqlite_catalog({.path = file + ".old"}, fixture.clock);
      DeleteKeeper keeper(*fixture.store, *older, fixture.clock, fixture.registry, {});
      if (accepts) {
        auto accepted = keeper.accept({.id = "later", .tenant = "t", .query = R"({pod="1"})"});
        REQUIRE(accepted);
        CHECK(accepted->number == 2);
      } else {
        REQUIRE(keeper.finish(fixture.clock.wall()));
      }
      const auto deletes = *older->deletes();
      REQUIRE(deletes.size() == (accepts ? 2 : 1));
      CHECK(deletes[0] == request);
      const auto kept = *read_kept_deletes(*fixture.store, older->cluster());
      CHECK(kept.requests == deletes);
    }
  }

  TEST_CASE("deletes: an older catalogue that was put back takes in the requests made since") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    fixture.remove(R"({pod="1"})");
    const auto cancelled_later = fixture.remove(R"({pod=~".+"})");
    fixture.compactor.reset();
    fixture.catalog.reset();
    const std::string file = fixture.folder + "/catalog.db";
    std::filesystem::copy_file(file, file + ".old");
    fixture.restart();
    fixture.remove(R"({pod="2"})");
    auto cancelled = fixture.remove(R"({pod="0"})");
    REQUIRE(fixture.compactor->deletes().cancel(cancelled));
    REQUIRE(fixture.compactor->deletes().cancel(cancelled_later));
    fixture.compactor.reset();
    fixture.catalog.reset();
    std::filesystem::rename(file + ".old", file);
    fixture.restart();
    const auto deletes = (*fixture.catalog->snapshot())->deletes;
    REQUIRE(deletes.size() == 2);
    CHECK(deletes[1].query == R"({pod="2"})");
    CHECK((*fixture.catalog->snapshot())->last_delete == 4);  // the cancelled one's number is not given again
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return !is_of_pod(entry, "0"); });
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();
  }
}
