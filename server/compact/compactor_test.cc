#include "server/compact/compactor.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <functional>
#include <future>

#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "server/compact/catalog_rebuild.h"
#include "server/store/testing/object_builder.h"

using namespace server;
using pipeline::Errc;
using pipeline::fail;
using pipeline::FakeClock;
using pipeline::ForgetfulFiles;
using pipeline::LabelSet;

namespace {

// A catalogue whose next commit goes wrong: not done, or done and the answer lost.
class UnsureCatalog final : public Catalog {
 public:
  explicit UnsureCatalog(std::unique_ptr<Catalog> inner) : inner_(std::move(inner)) {}
  enum class Next { kFine, kNotDone, kAnswerLost };
  Next next = Next::kFine;
  std::function<void()> on_swap = [] {};      // on the compactor's thread
  std::function<void()> before_swap = [] {};  // likewise

  Ulid cluster() const override { return inner_->cluster(); }
  Result<void> commit_l0(std::span<const ObjectRow> objects, std::span<const ProducerRange> batches,
                         uint64_t flushed_frame) override {
    return inner_->commit_l0(objects, batches, flushed_frame);
  }
  Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs,
                    const SwapDetails& details) override {
    before_swap();
    Next now = std::exchange(next, Next::kFine);
    if (now != Next::kNotDone) TRY(inner_->swap(inputs, outputs, details));
    on_swap();
    if (now == Next::kFine) return {};
    return fail(Errc::kIo, "commit: input/output error");
  }
  Result<std::shared_ptr<const CatalogSnapshot>> snapshot() override { return inner_->snapshot(); }
  Result<std::vector<ProducerRange>> batches() override { return inner_->batches(); }
  Result<uint64_t> forget_batches(std::chrono::hours unused) override { return inner_->forget_batches(unused); }
  Result<std::vector<DeadObject>> dead_objects(std::chrono::seconds grace) override {
    return inner_->dead_objects(grace);
  }
  Result<void> forget_objects(std::span<const Ulid> objects) override { return inner_->forget_objects(objects); }
  Result<std::vector<Ulid>> known(std::span<const Ulid> objects) override { return inner_->known(objects); }
  Result<std::optional<std::string>> find_note(const Ulid& object, std::string_view kind) override {
    return inner_->find_note(object, kind);
  }
  Result<void> keep_note(const Ulid& object, std::string_view kind, std::string_view bytes) override {
    return inner_->keep_note(object, kind, bytes);
  }

  Result<uint64_t> claim_job(std::span<const Ulid> inputs, const LeaseTerms& lease) override {
    return inner_->claim_job(inputs, lease);
  }
  Result<void> renew_job(uint64_t job, const LeaseTerms& lease) override { return inner_->renew_job(job, lease); }
  Result<void> plan_output(uint64_t job, const DeadObject& output) override { return inner_->plan_output(job, output); }
  Result<void> end_job(uint64_t job) override { return inner_->end_job(job); }
  Result<std::vector<DeadObject>> abandoned_outputs() override { return inner_->abandoned_outputs(); }
  Result<void> forget_outputs(std::span<const Ulid> objects) override { return inner_->forget_outputs(objects); }
  Result<std::vector<Ulid>> claimed() override { return inner_->claimed(); }
  Result<uint64_t> take_lease(std::string_view name, const LeaseTerms& lease) override {
    return inner_->take_lease(name, lease);
  }
  Result<uint64_t> add_delete(DeleteRequest request) override { return inner_->add_delete(std::move(request)); }
  Result<std::vector<DeleteRequest>> deletes() override { return inner_->deletes(); }
  Result<void> cancel_delete(uint64_t number) override { return inner_->cancel_delete(number); }
  Result<bool> is_applied(const DeleteRequest& request) override { return inner_->is_applied(request); }
  Result<void> finish_delete(uint64_t number) override { return inner_->finish_delete(number); }
  Result<void> restore(const Content& content) override { return inner_->restore(content); }
  Result<bool> is_empty() override { return inner_->is_empty(); }

 private:
  std::unique_ptr<Catalog> inner_;
};

// A store on files that forget, and a real catalogue beside it.
struct CompactFixture {
  CompactFixture() {
    char path[] = "/tmp/skidway-compact-XXXXXX";
    REQUIRE(mkdtemp(path) != nullptr);
    folder = path;
    pipeline::set_log_level(pipeline::LogLevel::kError);
    options.background = false;
    options.interval = std::chrono::hours(1);
    restart();
  }
  ~CompactFixture() {
    compactor.reset();
    catalog.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  // The whole program anew, after a crash or not.
  void restart() {
    compactor.reset();
    catalog.reset();
    auto opened = open_sqlite_catalog({.path = folder + "/catalog.db"}, clock);
    REQUIRE_MESSAGE(opened, opened.error().message);
    catalog = std::make_unique<UnsureCatalog>(*std::move(opened));
    if (auto local = open_local_store(files, "/data")) store = *std::move(local);
    auto made = Compactor::open(*store, *catalog, clock, registry, options);
    if (made) compactor = *std::move(made);
  }

  // Writes and commits an L0 object; on success its entries are promised to be readable for ever.
  Result<ObjectRow> ingest(int from, int to) {
    ObjectBuilder builder;
    std::vector<PlainEntry> entries;
    for (int i = from; i < to; ++i) {
      entries.push_back({"t",
                         LabelSet::from({{"pod", std::to_string(i % 3)}}),
                         1'700'000'000'000'000'000 + i * 1'000'000'000'000,
                         "line " + std::to_string(i),
                         {}});
      builder.add(entries.back());
    }
    ObjectRow row;
    ObjectWriterOptions writer{.cluster = catalog->cluster(), .object = ulids.make(), .level = 0};
    row.key = object_key(writer.cluster, 0, writer.object);
    TRY_LET(row.summary, builder.write(*store, row.key, writer));
    TRY(catalog->commit_l0(std::vector{row}, {}, 0));
    promised.insert(entries.begin(), entries.end());
    return row;
  }

  std::vector<ObjectRow> live() { return (*catalog->snapshot())->objects; }

  // Every live object is readable, and together they hold exactly what was promised (each entry in one object).
  void check_promises() {
    std::multiset<PlainEntry> found;
    for (const ObjectRow& row : live()) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE_MESSAGE(object, object.error().message);
      auto entries = read_entries(*object);
      REQUIRE_MESSAGE(entries, entries.error().message);
      found.insert(entries->begin(), entries->end());
    }
    CHECK(std::vector(found.begin(), found.end()) == std::vector(promised.begin(), promised.end()));
  }

  // Everything that is gone for good when it was promised to be.
  void finish() {
    REQUIRE(compactor->keep_promises());
    clock.advance(std::chrono::hours(2));
    REQUIRE(compactor->collect_garbage());
    REQUIRE(compactor->finish_deletes());
  }

  DeleteRequest remove(std::string query) {
    DeleteRequest request;
    request.id = "r1", request.tenant = "t", request.query = std::move(query);
    request.begin = 0, request.end = INT64_MAX;
    auto accepted = compactor->deletes().accept(request);
    REQUIRE_MESSAGE(accepted, accepted.error().message);
    return *accepted;
  }

  // A catalogue that was lost and made anew holds exactly what was promised.
  void check_rebuild() {
    RebuildReport report;
    auto content = read_catalog_content(*store, catalog->cluster(), report);
    REQUIRE_MESSAGE(content, content.error().message);
    CHECK(report.unreadable.empty());
    std::set<PlainEntry> found;  // what was written and never committed may be there twice
    for (const ObjectRow& row : content->objects) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE_MESSAGE(object, object.error().message);
      auto entries = read_entries(*object);
      REQUIRE_MESSAGE(entries, entries.error().message);
      found.insert(entries->begin(), entries->end());
    }
    for (const PlainEntry& entry : promised) CHECK(found.contains(entry));
  }

  size_t stored() {
    size_t n = 0;
    for (int level : {0, 2}) n += store->list(object_folder(catalog->cluster(), level))->size();
    return n;
  }

  std::string folder;
  ForgetfulFiles files;
  FakeClock clock;
  UlidMaker ulids{clock, 1};
  pipeline::Registry registry;
  CompactorOptions options;
  std::unique_ptr<ObjectStore> store;
  std::unique_ptr<UnsureCatalog> catalog;
  std::unique_ptr<Compactor> compactor;
  std::set<PlainEntry> promised;
};

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
    auto read = decode_delete(encode_delete(request));
    REQUIRE(read);
    CHECK(*read == request);
    CHECK_FALSE(decode_delete(""));
    CHECK_FALSE(decode_delete("number 7\nid x"));
    CHECK_FALSE(decode_delete("number seven\n"));
  }
}
