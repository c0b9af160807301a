#include "server/compact/compactor.h"

#include <doctest/doctest.h>
#include <future>

#include "server/compact/testing/compact_fixture.h"

using namespace server;

namespace {

Result<void> compact_all(Compactor& compactor) {
  std::promise<Result<void>> answer;
  compactor.compact_all([&](Result<void> outcome) { answer.set_value(std::move(outcome)); });
  return answer.get_future().get();
}

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("compactor: compact_all leaves one object per hour, and the old ones are deleted after the grace time") {
    CompactFixture fixture;
    fixture.compactor->stop();
    fixture.options.plan.most_inputs = 4;
    fixture.restart();
    for (int i = 0; i < 10; ++i) REQUIRE(fixture.ingest(i * 2, i * 2 + 3));
    CHECK(fixture.live().size() == 10);
    auto outcome = compact_all(*fixture.compactor);
    REQUIRE_MESSAGE(outcome, outcome.error().message);
    std::set<int64_t> hours;
    for (const ObjectRow& row : fixture.live()) {
      CHECK(hour_of(row.summary.min_time) == hour_of(row.summary.max_time));
      CHECK(hours.insert(hour_of(row.summary.min_time)).second);
    }
    fixture.check_promises();
    CHECK(fixture.stored() > fixture.live().size());
    fixture.clock.advance(std::chrono::hours(1));
    CHECK(*fixture.compactor->collect_garbage() > 10);
    CHECK(fixture.stored() == fixture.live().size());
    CHECK(*fixture.compactor->collect_garbage() == 0);
    fixture.check_promises();
    REQUIRE(compact_all(*fixture.compactor));  // nothing left to do
    fixture.compactor->stop();
    CHECK(compact_all(*fixture.compactor).error().code == Errc::kCancelled);
  }

  TEST_CASE("compactor: merges by itself as soon as there are enough small objects") {
    CompactFixture fixture;
    fixture.compactor.reset();
    for (int i = 0; i < 7; ++i) REQUIRE(fixture.ingest(i, i + 1));
    fixture.options.background = true;
    fixture.options.plan.l0_rest = std::chrono::seconds(0);
    fixture.options.interval = std::chrono::milliseconds(1);
    fixture.restart();
    std::promise<void> swapped;
    fixture.catalog->on_swap = [&] { swapped.set_value(); };
    REQUIRE(fixture.ingest(7, 8));
    swapped.get_future().get();
    fixture.compactor->stop();
    CHECK(fixture.live().size() < 8);
    fixture.check_promises();
  }

  TEST_CASE("compactor: whatever happens to a swap, the live set is complete") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 5));
    REQUIRE(fixture.ingest(5, 9));
    for (auto next : {UnsureCatalog::Next::kNotDone, UnsureCatalog::Next::kAnswerLost}) {
      auto inputs = fixture.live();
      fixture.catalog->next = next;
      CHECK_FALSE(fixture.compactor->merge_once(inputs));
      fixture.check_promises();
      fixture.restart();
      fixture.check_promises();
    }
    CHECK(fixture.compactor->merge_once({fixture.live()[0], fixture.live()[0]}).error().code == Errc::kUnavailable);
    fixture.check_promises();
  }

  TEST_CASE("compactor: a power cut at any step of writing, merging, swapping and deleting loses and doubles nothing") {
    for (uint64_t n = 0;; ++n) {
      CAPTURE(n);
      CompactFixture fixture;
      fixture.files.cut_power_at(fixture.files.operations() + n);
      (void)fixture.ingest(0, 4);
      (void)fixture.ingest(4, 8);
      if (fixture.live().size() == 2) (void)fixture.compactor->merge_once(fixture.live());
      fixture.clock.advance(std::chrono::hours(2));
      (void)fixture.compactor->collect_garbage();
      bool done = !fixture.files.power_is_off();
      fixture.files.restart(n);
      fixture.restart();
      REQUIRE(fixture.compactor);
      fixture.check_promises();
      fixture.check_rebuild();
      // A day later nothing is left that is not live.
      fixture.clock.advance(std::chrono::hours(25));
      fixture.restart();
      REQUIRE(fixture.compactor->collect_garbage());
      CHECK(fixture.stored() == fixture.live().size());
      fixture.check_promises();
      if (done) break;
    }
  }

  TEST_CASE("compactor: an object with a corrupt page is left alone, the others are merged") {
    CompactFixture fixture;
    auto bad = *fixture.ingest(0, 1);
    REQUIRE(fixture.ingest(101, 102));
    REQUIRE(fixture.ingest(101, 103));
    std::string bytes;
    REQUIRE(fixture.store->get_range(bad.key, 0, bad.summary.size, bytes));
    bytes[50] = static_cast<char>(bytes[50] ^ 1);
    REQUIRE(fixture.store->remove(bad.key));
    REQUIRE(fixture.store->put(bad.key, bytes));
    REQUIRE(compact_all(*fixture.compactor));
    auto rows = fixture.live();
    REQUIRE(rows.size() == 2);
    CHECK((rows[0].key == bad.key) != (rows[1].key == bad.key));
    CHECK(rows[rows[0].key == bad.key ? 1 : 0].summary.rows == 2);
    CHECK(fixture.registry.render().find("skidway_server_damaged_objects 1") != std::string::npos);
  }

  TEST_CASE("compactor: files without a row are deleted at the start, a day after they were made") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 2));
    Ulid cluster = fixture.catalog->cluster();
    std::string orphan = object_key(cluster, 2, fixture.ulids.make());
    REQUIRE(fixture.store->put(orphan, "half a merge"));
    REQUIRE(fixture.store->put(object_folder(cluster, 2) + "/readme", "not ours"));
    fixture.restart();
    CHECK(fixture.store->size(orphan));
    fixture.clock.advance(std::chrono::hours(24));
    fixture.restart();
    CHECK_FALSE(fixture.store->size(orphan));
    CHECK(fixture.store->size(object_folder(cluster, 2) + "/readme"));
    fixture.check_promises();
  }

  TEST_CASE("compactor: a request to delete is carried out after its cancel period, and has a receipt") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 30));
    REQUIRE(fixture.ingest(30, 60));
    auto request = fixture.remove(R"({pod="1"} |= "line")");
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();  // it may still be cancelled
    CHECK((*fixture.catalog->snapshot())->deletes.size() == 1);
    fixture.clock.advance(std::chrono::hours(1));
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return *entry.labels.get("pod") == "1"; });
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();
    REQUIRE(fixture.compactor->finish_deletes());
    CHECK((*fixture.catalog->deletes())[0].processed == 0);  // the old objects are there still
    fixture.finish();
    auto all = *fixture.catalog->deletes();
    CHECK(all[0].processed != 0);
    CHECK(all[0].removed_entries == 20);
    CHECK((*fixture.catalog->snapshot())->deletes.empty());
    CHECK(fixture.store->size(fixture.catalog->cluster().text() + "/deletes/00000000000000000001.receipt"));
    auto kept = read_kept_deletes(*fixture.store, fixture.catalog->cluster());
    REQUIRE(kept);
    REQUIRE(kept->requests.size() == 1);
    CHECK(kept->requests[0].query == all[0].query);
    CHECK(kept->requests[0].processed == 0);  // in force again: the store may have copies that nobody knows
    CHECK(kept->requests[0].removed_entries == 20);
    fixture.clock.advance(std::chrono::hours(26));
    REQUIRE(fixture.compactor->finish_deletes());
    kept = read_kept_deletes(*fixture.store, fixture.catalog->cluster());
    CHECK(kept->requests[0].query == R"({pod="1"})");  // what was searched for is gone, too
    CHECK(kept->last_number == 1);
    fixture.check_rebuild();
  }

  TEST_CASE("compactor: what comes after a request to delete stays, whatever is merged with whatever") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    auto request = fixture.remove(R"({pod="1"})");
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return *entry.labels.get("pod") == "1"; });
    ObjectBuilder builder;
    PlainEntry late{"t", LabelSet::from({{"pod", "1"}}), 1'700'001'000'000'000'000, "line 1", {}};
    builder.add(late);
    ObjectWriterOptions writer{.cluster = fixture.catalog->cluster(), .object = fixture.ulids.make(), .level = 0};
    writer.deletes_applied = request.number;
    ObjectRow row{object_key(writer.cluster, 0, writer.object), {}};
    row.summary = *builder.write(*fixture.store, row.key, writer);
    REQUIRE(fixture.catalog->commit_l0(std::vector{row}, {}, 0));
    fixture.promised.insert(late);
    REQUIRE(compact_all(*fixture.compactor));
    CHECK(fixture.live().size() > 1);  // the two kinds are not mixed while the request may be cancelled
    fixture.clock.advance(std::chrono::hours(1));
    REQUIRE(compact_all(*fixture.compactor));
    fixture.check_promises();
    fixture.finish();
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    fixture.check_promises();
    fixture.check_rebuild();
  }

  TEST_CASE("compactor: a cancelled request is carried out never, and a rebuilt catalogue does not know it") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    auto request = fixture.remove(R"({pod="1"})");
    REQUIRE(fixture.compactor->deletes().cancel(request));
    fixture.clock.advance(std::chrono::hours(3));
    REQUIRE(compact_all(*fixture.compactor));
    fixture.check_promises();
    REQUIRE(fixture.compactor->finish_deletes());
    auto kept = *read_kept_deletes(*fixture.store, fixture.catalog->cluster());
    CHECK(kept.requests.empty());
    CHECK(kept.last_number == 1);
  }

  TEST_CASE("compactor: a request to delete that arrives while its objects are merged applies to what comes out") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    REQUIRE(fixture.ingest(10, 20));
    bool arrived = false;
    fixture.catalog->before_swap = [&] {
      if (!std::exchange(arrived, true)) fixture.remove(R"({pod="1"})");
    };
    REQUIRE(fixture.compactor->merge_once(fixture.live()));
    fixture.check_promises();
    fixture.clock.advance(std::chrono::hours(1));
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return *entry.labels.get("pod") == "1"; });
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();
  }

  TEST_CASE(
      "compactor: one that was paused until its lease ran out cannot swap any more, and what it wrote is deleted") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    REQUIRE(fixture.ingest(10, 20));
    auto inputs = fixture.live();
    std::vector<Ulid> ids{inputs[0].summary.object, inputs[1].summary.object};
    uint64_t successor = 0;
    fixture.catalog->before_swap = [&] {
      if (successor != 0) return;
      fixture.clock.advance(std::chrono::minutes(10));
      auto claimed = fixture.catalog->claim_job(ids, {"another"});
      REQUIRE(claimed);
      successor = *claimed;
    };
    auto merged = fixture.compactor->merge_once(inputs);
    REQUIRE_FALSE(merged);
    CHECK(merged.error().code == Errc::kInvalid);
    CHECK(fixture.stored() == 2);
    fixture.check_promises();
    REQUIRE(fixture.catalog->end_job(successor));
    REQUIRE(fixture.compactor->merge_once(inputs));
    fixture.check_promises();
  }

  TEST_CASE(
      "compactor: objects past their retention are dropped, and the oldest ones beyond max_bytes but for young ones") {
    CompactFixture fixture;
    fixture.compactor.reset();
    auto rules = std::make_shared<const RetentionRules>(*RetentionRules::compile({std::chrono::hours(24), {}}));
    fixture.options.retention = [rules](std::string_view) { return rules; };
    fixture.restart();
    REQUIRE(fixture.ingest(0, 1));    // at the clock's present, a quarter of an hour apart
    REQUIRE(fixture.ingest(80, 81));  // 22 hours later
    fixture.clock.advance(std::chrono::hours(24) + std::chrono::minutes(1));
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(fixture.live().size() == 1);
    fixture.compactor.reset();
    fixture.options.expiry.max_bytes = 1;
    fixture.options.expiry.min_age = std::chrono::hours(3);
    fixture.restart();
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(fixture.live().size() == 1);
    fixture.clock.advance(std::chrono::hours(2));
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(fixture.live().empty());
  }

  TEST_CASE("compactor: a clock that jumps ahead and back drops nothing, neither whole objects nor by a merge") {
    CompactFixture fixture;
    fixture.compactor.reset();
    auto rules = std::make_shared<const RetentionRules>(*RetentionRules::compile({std::chrono::hours(24), {}}));
    fixture.options.retention = [rules](std::string_view) { return rules; };
    fixture.restart();
    REQUIRE(fixture.ingest(0, 10));
    REQUIRE(fixture.ingest(10, 20));
    fixture.clock.jump_wall(std::chrono::hours(48));
    REQUIRE(fixture.compactor->keep_promises());
    REQUIRE(fixture.compactor->merge_once(fixture.live()));
    fixture.clock.jump_wall(std::chrono::hours(-48));
    fixture.check_promises();
    fixture.clock.jump_wall(std::chrono::hours(48));
    REQUIRE(fixture.compactor->keep_promises());
    fixture.check_promises();
    fixture.clock.advance(std::chrono::hours(1));  // it seems to be meant
    REQUIRE(fixture.compactor->keep_promises());
    CHECK(fixture.live().empty());
  }

  TEST_CASE("compactor: a clock that jumps ahead erases nothing: no request gets ripe, nothing dead or unknown goes") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    REQUIRE(fixture.ingest(10, 20));
    const auto inputs = fixture.live();
    REQUIRE(fixture.compactor->merge_once(inputs));
    const std::string unknown = object_key(fixture.catalog->cluster(), 0, fixture.ulids.make());
    REQUIRE(fixture.store->put(unknown, "without a row"));
    const auto request = fixture.remove(R"({pod="1"})");
    const auto merged = fixture.live();
    auto do_all = [&] {
      REQUIRE(fixture.compactor->keep_promises());
      REQUIRE(fixture.compactor->collect_garbage());
      REQUIRE(fixture.compactor->finish_deletes());
      REQUIRE(fixture.compactor->remove_orphans());
    };
    for (int i = 0; i < 2; ++i) {
      fixture.clock.jump_wall(std::chrono::hours(48));
      do_all();
      fixture.clock.advance(std::chrono::minutes(20));
      do_all();
      CHECK(fixture.live() == merged);
      for (const ObjectRow& row : inputs) CHECK(fixture.store->size(row.key));
      CHECK(fixture.store->size(unknown));
      CHECK((*fixture.catalog->deletes())[0].processed == 0);
      CHECK(fixture.registry.render().find("skidway_server_clock_ahead_seconds 172800\n") != std::string::npos);
      fixture.clock.jump_wall(std::chrono::hours(-48));
      do_all();
      CHECK(fixture.live() == merged);
      CHECK(fixture.registry.render().find("skidway_server_clock_ahead_seconds 0\n") != std::string::npos);
    }
    // As time passes all of it goes; a jump that lasts is believed.
    fixture.clock.advance(std::chrono::minutes(20));
    do_all();
    CHECK(fixture.live() != merged);
    for (const ObjectRow& row : inputs) CHECK_FALSE(fixture.store->size(row.key));
    fixture.clock.jump_wall(std::chrono::hours(48));
    do_all();
    CHECK(fixture.store->size(unknown));
    fixture.clock.advance(std::chrono::hours(1));
    do_all();
    CHECK_FALSE(fixture.store->size(unknown));
    CHECK((*fixture.catalog->deletes())[0].processed != 0);
    CHECK((*fixture.catalog->deletes())[0].id == request.id);
  }

  TEST_CASE(
      "compactor: a request accepted while the clock was ahead is processed as soon as any other, once it is right") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 10));
    REQUIRE(fixture.ingest(10, 12));
    fixture.compactor.reset();
    fixture.clock.jump_wall(std::chrono::hours(24 * 365));  // nobody notices: it was so at the start
    fixture.restart();
    fixture.remove(R"({pod="1"})");
    std::erase_if(fixture.promised, [](const PlainEntry& entry) { return *entry.labels.get("pod") == "1"; });
    REQUIRE(fixture.compactor->merge_once(fixture.live()));  // dead a year from now
    fixture.clock.jump_wall(std::chrono::hours(-24 * 365));
    const auto later = fixture.remove(R"({pod="none"})");
    REQUIRE(fixture.compactor->keep_promises());
    fixture.clock.advance(std::chrono::hours(1));
    for (int i = 0; i < 2; ++i) fixture.finish();
    const auto requests = *fixture.catalog->deletes();
    for (const DeleteRequest& request : requests) {
      CHECK(request.created <= later.created);
      CHECK(request.processed != 0);
    }
    CHECK(fixture.stored() == fixture.live().size());
    fixture.check_promises();
    fixture.check_rebuild();
  }

  TEST_CASE(
      "compactor: requests to delete are processed and what is dead is deleted though there is always something to "
      "merge") {
    CompactFixture fixture;
    int next = 100, merges = 0;
    for (; next < 107; ++next) REQUIRE(fixture.ingest(next, next + 1));
    for (const char* query : {R"({pod="none"})", R"({pod="0"} |= "line 102")"}) {
      DeleteRequest request;  // of what is there now, not of what will come
      request.id = "r", request.tenant = "t", request.query = query;
      request.end = 1'700'000'000'000'000'000 + 107 * 1'000'000'000'000;
      REQUIRE(fixture.compactor->deletes().accept(request));
    }
    fixture.compactor.reset();
    fixture.options.background = true;
    fixture.options.plan.l0_rest = std::chrono::seconds(0);
    fixture.options.interval = std::chrono::milliseconds(1);
    fixture.options.garbage.grace = std::chrono::seconds(0);
    fixture.options.deletes.cancel_period = std::chrono::minutes(1);
    fixture.restart();
    std::promise<void> begin, over;
    bool is_over = false;
    fixture.catalog->on_swap = [&, began = begin.get_future().share()] {  // what there is to merge never ends
      began.get();
      if (is_over) return;
      fixture.clock.advance(std::chrono::minutes(2));
      for (int end = next + 8; next < end; ++next) (void)fixture.ingest(next, next + 1);
      auto requests = *fixture.catalog->deletes();
      is_over = ++merges == 50 || (requests[0].processed != 0 && requests[1].processed != 0);
      if (is_over) over.set_value();
    };
    REQUIRE(fixture.ingest(next, next + 1));
    ++next;
    begin.set_value();
    over.get_future().get();
    fixture.compactor->stop();
    CHECK(merges < 50);
  }

  TEST_CASE("compactor: outputs of a merge that a crash cut off are deleted at the next start") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 4));
    auto row = fixture.live()[0];
    uint64_t job = *fixture.catalog->claim_job(std::vector{row.summary.object}, {"before the crash"});
    Ulid output = fixture.ulids.make();
    std::string key = object_key(fixture.catalog->cluster(), 2, output);
    REQUIRE(fixture.catalog->plan_output(job, {output, key}));
    REQUIRE(fixture.store->put(key, "half a merge"));
    fixture.restart();
    CHECK_FALSE(fixture.store->size(key));
    fixture.check_promises();
  }

  TEST_CASE("compactor: what waits to be merged is a metric") {
    CompactFixture fixture;
    CHECK(fixture.registry.render().find("skidway_server_compaction_debt_objects 0") != std::string::npos);
    REQUIRE(fixture.ingest(0, 4));
    fixture.clock.advance(std::chrono::seconds(90));
    std::string text = fixture.registry.render();
    CHECK(text.find("skidway_server_compaction_debt_objects 1") != std::string::npos);
    CHECK(text.find("skidway_server_compaction_debt_age_seconds 90") != std::string::npos);
  }

  TEST_CASE("rebuild: of a merge whose last output is missing the inputs count, of a whole one the outputs") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 20));  // several hours, so several outputs
    REQUIRE(fixture.ingest(20, 40));
    REQUIRE(fixture.compactor->merge_once(fixture.live()));
    auto outputs = fixture.live();
    REQUIRE(outputs.size() > 2);
    fixture.check_rebuild();
    auto seal = (*ObjectReader::open(*fixture.store, outputs[0].key))->seal();
    RebuildReport whole, cut;
    CHECK(read_catalog_content(*fixture.store, fixture.catalog->cluster(), whole)->objects.size() == outputs.size());
    CHECK(whole.superseded == 2);
    REQUIRE(fixture.store->remove(object_key(fixture.catalog->cluster(), 2, seal)));
    CHECK(read_catalog_content(*fixture.store, fixture.catalog->cluster(), cut)->objects.size() == 2);
    CHECK(cut.unfinished == outputs.size() - 1);
    // Once the inputs are gone, the merge was whole.
    fixture.clock.advance(std::chrono::hours(2));
    REQUIRE(fixture.compactor->collect_garbage());
    RebuildReport later;
    CHECK(read_catalog_content(*fixture.store, fixture.catalog->cluster(), later)->objects.size() ==
          outputs.size() - 1);
  }

  TEST_CASE("rebuild: an object that cannot be read is named, the others are found") {
    CompactFixture fixture;
    REQUIRE(fixture.ingest(0, 4));
    std::string bad = object_key(fixture.catalog->cluster(), 0, fixture.ulids.make());
    REQUIRE(fixture.store->put(bad, std::string(500, 'x')));
    RebuildReport report;
    auto content = read_catalog_content(*fixture.store, fixture.catalog->cluster(), report);
    REQUIRE(content);
    CHECK(content->objects.size() == 1);
    REQUIRE(report.unreadable.size() == 1);
    CHECK(report.unreadable[0].starts_with(bad));
  }

  TEST_CASE("deletes: what is kept in the store is read back, and what is cut off is refused") {
    DeleteRequest request{.number = 7, .id = "x", .tenant = "a\nb", .query = "{a=\"b\"} |= `\\\r\n`"};
    request.begin = -5, request.end = 9, request.created = 11, request.processed = 12, request.removed_entries = 3;
    request.unreadable = {"c/quarantine/1.lseg", "c/quarantine/2.lseg"};
    auto read = decode_delete(encode_delete(request));
    REQUIRE(read);
    CHECK(*read == request);
    CHECK_FALSE(decode_delete(""));
    CHECK_FALSE(decode_delete("number 7\nid x"));
    CHECK_FALSE(decode_delete("number seven\n"));
  }
}
