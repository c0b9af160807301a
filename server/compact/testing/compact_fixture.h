// What the tests of this room work with: a store on files that forget, a real catalogue beside it whose commits may go
// wrong, and what was promised to be readable.
//
// Thread: that of the test; hooks are called where their comments say.
#pragma once

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <functional>
#include <map>
#include <set>

#include "pipeline/base/log.h"
#include "pipeline/base/testing/forgetful_files.h"
#include "server/compact/catalog_rebuild.h"
#include "server/compact/compactor.h"
#include "server/store/cluster_marker.h"
#include "server/store/testing/object_builder.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::FakeClock;
using pipeline::ForgetfulFiles;
using pipeline::LabelSet;

// A catalogue whose next commit goes wrong: not done, or done and the answer lost.
class UnsureCatalog final : public Catalog {
 public:
  explicit UnsureCatalog(std::unique_ptr<Catalog> inner) : inner_(std::move(inner)) {}
  enum class Next { kFine, kNotDone, kAnswerLost };
  Next next = Next::kFine;
  int marks = 0;
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
  Result<void> abandon_output(const Ulid& output) override { return inner_->abandon_output(output); }
  Result<void> end_job(uint64_t job) override { return inner_->end_job(job); }
  Result<void> mark_applied(std::span<const Ulid> objects, uint64_t through) override {
    ++marks;
    return inner_->mark_applied(objects, through);
  }
  Result<std::vector<AbandonedOutput>> abandoned_outputs() override { return inner_->abandoned_outputs(); }
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
  Result<void> correct_times() override { return inner_->correct_times(); }
  Result<void> restore(const Content& content) override { return inner_->restore(content); }
  Result<bool> is_empty() override { return inner_->is_empty(); }
  Result<uint64_t> generation() override { return inner_->generation(); }
  Result<uint64_t> raise_generation() override { return inner_->raise_generation(); }

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
    if (store) (void)claim_store(*store, catalog->cluster(), "/data");  // where the power is on
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
    unsure.insert(entries.begin(), entries.end());
    ObjectRow row;
    ObjectWriterOptions writer{.cluster = catalog->cluster(), .object = ulids.make(), .level = 0};
    row.key = object_key(writer.cluster, 0, writer.object);
    TRY_LET(row.summary, builder.write(*store, row.key, writer));
    TRY(catalog->commit_l0(std::vector{row}, {}, 0));
    promised.insert(entries.begin(), entries.end());
    for (const PlainEntry& entry : entries) unsure.erase(entry);
    return row;
  }

  std::vector<ObjectRow> live() { return (*catalog->snapshot())->objects; }

  // Every live object is readable, and together they hold exactly what was promised, and perhaps of what was written
  // and not promised. Each entry is in one object; in several, which answers show as one, only where some were brought
  // in: a power cut may undo the removal of an object that was merged.
  void check_promises() {
    std::multiset<PlainEntry> found;
    for (const ObjectRow& row : live()) {
      auto object = ObjectReader::open(*store, row.key, row.summary.size, row.summary.footer_length);
      REQUIRE_MESSAGE(object, object.error().message);
      auto entries = read_entries(*object);
      REQUIRE_MESSAGE(entries, entries.error().message);
      found.insert(entries->begin(), entries->end());
    }
    std::set<PlainEntry> expected = promised;
    for (const PlainEntry& entry : unsure) {
      if (found.contains(entry)) expected.insert(entry);
    }
    CHECK(std::set(found.begin(), found.end()) == expected);
    const bool none_adopted = registry.render().find("skidway_server_adopted_objects_total 0\n") != std::string::npos;
    if (none_adopted) CHECK(found.size() == expected.size());
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
  std::set<PlainEntry> unsure;  // of writes that failed: the object may be there, and is brought in then
};

}  // namespace server
