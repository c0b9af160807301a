#include "server/compact/compactor.h"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <functional>
#include <future>

#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"
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
  std::function<void()> on_swap = [] {};  // on the compactor's thread

  Ulid cluster() const override { return inner_->cluster(); }
  Result<void> commit_l0(std::span<const ObjectRow> objects, std::span<const ProducerRange> batches,
                         uint64_t flushed_frame) override {
    return inner_->commit_l0(objects, batches, flushed_frame);
  }
  Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs) override {
    Next now = std::exchange(next, Next::kFine);
    if (now != Next::kNotDone) TRY(inner_->swap(inputs, outputs));
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
    CHECK(fixture.compactor->merge_once({fixture.live()[0], fixture.live()[0]}).error().code == Errc::kInvalid);
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
}
