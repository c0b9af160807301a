// The catalogue in one SQLite file. One process has it open (the server locks its data folder), so the live set is kept
// in memory too, and snapshots never wait for the disk.
#include <algorithm>
#include <map>
#include <mutex>
#include <optional>
#include <random>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/varint.h"
#include "pipeline/db/database.h"
#include "server/catalog/batch_table.h"
#include "server/catalog/catalog.h"
#include "server/catalog/delete_table.h"
#include "server/catalog/job_table.h"
#include "server/catalog/note_table.h"
#include "server/catalog/object_table.h"

namespace server {

using pipeline::Blob;
using pipeline::concat;
using pipeline::Database;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Statement;
using pipeline::Step;
using pipeline::Transaction;

namespace {

constexpr int64_t kSchemaVersion = 3;  // 2: object.deletes_applied, retention; 3: object.ids_length

constexpr std::string_view kSchema = R"(
CREATE TABLE cluster (             -- one row
  id BLOB NOT NULL,                -- 16 bytes; also in every key
  write_format INTEGER NOT NULL,   -- version of the objects to be written
  version INTEGER NOT NULL,        -- of the live set
  flushed_frame INTEGER NOT NULL
) STRICT;
)";

// Made where it is missing (files of before).
constexpr std::string_view kGenerationSchema = R"(
CREATE TABLE IF NOT EXISTS generation (  -- at most one row
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL
) STRICT;
)";

class SqliteCatalog final : public Catalog {
 public:
  SqliteCatalog(Database db, ObjectTable objects, BatchTable batches, NoteTable notes, const pipeline::Clock& clock,
                std::function<void(const CatalogAge&)> changed)
      : db_(std::move(db)),
        objects_(std::move(objects)),
        batches_(std::move(batches)),
        notes_(std::move(notes)),
        jobs_(db_),
        requests_(db_),
        clock_(clock),
        changed_(std::move(changed)) {}

  Result<void> load() {
    std::lock_guard lock(mutex_);
    TRY_LET(Transaction transaction, db_.begin());
    TRY(jobs_.end_all());  // one process has the file open: those of before are gone
    TRY(transaction.commit());
    return reload();
  }

  Ulid cluster() const override { return cluster_; }

  Result<void> commit_l0(std::span<const ObjectRow> objects, std::span<const ProducerRange> batches,
                         uint64_t flushed_frame) override {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    std::vector<const ObjectRow*> added;
    uint64_t frame = std::max(flushed_frame, flushed_frame_), last_delete = last_delete_;
    for (const ObjectRow& row : objects) last_delete = std::max(last_delete, row.summary.deletes_applied);
    return change(
        [&]() -> Result<void> {
          for (const ObjectRow& row : objects) {
            TRY_LET(auto state, objects_.state(row.summary.object));
            if (state) continue;  // committed before, perhaps compacted since
            TRY(objects_.insert(row));
            TRY(jobs_.forget_output(row.summary.object));
            added.push_back(&row);
          }
          for (const ProducerRange& range : batches) TRY(batches_.add(range, clock_.wall()));
          if (last_delete > last_delete_) TRY(requests_.raise_last_number(last_delete));
          return set_cluster(version_ + 1, frame);
        },
        [&] {
          for (const ObjectRow* row : added) live_.emplace(row->summary.object, *row);
          flushed_frame_ = frame;
          last_delete_ = last_delete;
          ++version_;
        });
  }

  Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs,
                    const SwapDetails& details) override {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    bool done_before = false;
    return change(
        [&]() -> Result<void> {
          TRY_LET(done_before, objects_.was_swapped(inputs, outputs));
          if (done_before) return {};
          if (details.job != 0) TRY(jobs_.check(details.job));
          const UnixNanos now = clock_.wall();
          TRY(objects_.correct_deaths(now));
          for (const Ulid& input : inputs) {
            TRY_LET(bool was_live, objects_.mark_dead(input, now));
            if (!was_live) return fail(Errc::kInvalid, concat("swap: object ", input.text(), " is not live"));
          }
          for (const ObjectRow& row : outputs) {
            TRY(objects_.insert(row));
            TRY(jobs_.forget_output(row.summary.object));
          }
          for (const ErasedCount& erased : details.erased) TRY(requests_.count(erased));
          for (const UnreadableObject& object : details.unreadable) TRY(requests_.note(object));
          if (details.job != 0) TRY(jobs_.end(details.job));
          return set_cluster(version_ + 1, flushed_frame_);
        },
        [&] {
          if (done_before) return;
          for (const Ulid& input : inputs) live_.erase(input);
          for (const ObjectRow& row : outputs) live_.emplace(row.summary.object, row);
          ++version_;
        });
  }

  Result<std::shared_ptr<const CatalogSnapshot>> snapshot() override {
    std::lock_guard lock(live_mutex_);
    if (snapshot_ == nullptr) {
      auto made = std::make_shared<CatalogSnapshot>();
      made->version = version_;
      made->flushed_frame = flushed_frame_;
      made->objects.reserve(live_.size());
      for (const auto& [id, row] : live_) made->objects.push_back(row);
      made->deletes = deletes_;
      made->last_delete = last_delete_;
      snapshot_ = std::move(made);
    }
    return snapshot_;
  }

  Result<std::vector<ProducerRange>> batches() override {
    std::lock_guard lock(mutex_);
    return batches_.all();
  }

  Result<uint64_t> forget_batches(std::chrono::hours unused) override {
    std::lock_guard lock(mutex_);
    TRY_LET(Transaction transaction, db_.begin());
    TRY_LET(uint64_t forgotten, batches_.forget(clock_.wall() - std::chrono::nanoseconds(unused).count()));
    TRY(transaction.commit());
    return forgotten;
  }

  Result<std::vector<DeadObject>> dead_objects(std::chrono::seconds grace) override {
    std::lock_guard lock(mutex_);
    return objects_.dead_since(clock_.wall() - std::chrono::nanoseconds(grace).count());
  }

  Result<void> forget_objects(std::span<const Ulid> objects) override {
    std::lock_guard lock(mutex_);
    TRY_LET(Transaction transaction, db_.begin());
    for (const Ulid& object : objects) {
      TRY(objects_.forget(object));
      TRY(notes_.forget(object));
    }
    return transaction.commit();
  }

  Result<std::optional<std::string>> find_note(const Ulid& object, std::string_view kind) override {
    std::lock_guard lock(mutex_);
    return notes_.find(object, kind);
  }

  Result<void> keep_note(const Ulid& object, std::string_view kind, std::string_view bytes) override {
    std::lock_guard lock(mutex_);
    TRY_LET(auto state, objects_.state(object));
    if (!state) return {};  // it went away meanwhile, and nobody would forget the note
    return notes_.keep(object, kind, bytes);
  }

  Result<uint64_t> claim_job(std::span<const Ulid> inputs, const LeaseTerms& lease) override {
    return in_transaction<uint64_t>([&] { return jobs_.claim(inputs, lease, clock_.wall()); });
  }
  Result<void> renew_job(uint64_t job, const LeaseTerms& lease) override {
    return in_transaction<void>([&] { return jobs_.renew(job, lease, clock_.wall()); });
  }
  Result<void> plan_output(uint64_t job, const DeadObject& output) override {
    return in_transaction<void>([&] { return jobs_.plan_output(job, output); });
  }
  Result<void> abandon_output(const Ulid& output) override {
    return in_transaction<void>([&] { return jobs_.abandon_output(output); });
  }
  Result<void> end_job(uint64_t job) override {
    return in_transaction<void>([&] { return jobs_.end(job); });
  }
  Result<std::vector<AbandonedOutput>> abandoned_outputs() override {
    std::lock_guard lock(mutex_);
    return jobs_.abandoned_outputs();
  }
  Result<void> forget_outputs(std::span<const Ulid> objects) override {
    return in_transaction<void>([&]() -> Result<void> {
      for (const Ulid& object : objects) TRY(jobs_.forget_output(object));
      return {};
    });
  }
  Result<std::vector<Ulid>> claimed() override {
    std::lock_guard lock(mutex_);
    return jobs_.claimed(clock_.wall());
  }
  Result<uint64_t> take_lease(std::string_view name, const LeaseTerms& lease) override {
    return in_transaction<uint64_t>([&] { return jobs_.take_lease(name, lease, clock_.wall()); });
  }

  Result<uint64_t> add_delete(DeleteRequest request) override {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    TRY(change(
        [&]() -> Result<void> {
          TRY_LET(request.number, requests_.add(request));
          return set_cluster(version_ + 1, flushed_frame_);
        },
        [&] {
          if (request.processed == 0) deletes_.push_back(request);
          last_delete_ = std::max(last_delete_, request.number);
          ++version_;
        }));
    return request.number;
  }
  Result<std::vector<DeleteRequest>> deletes() override {
    std::lock_guard lock(mutex_);
    return requests_.all();
  }
  Result<void> mark_applied(std::span<const Ulid> objects, uint64_t through) override {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    return change(
        [&]() -> Result<void> {
          for (const Ulid& object : objects) TRY(objects_.mark_applied(object, through));
          return set_cluster(version_ + 1, flushed_frame_);
        },
        [&] {
          for (const Ulid& object : objects) {
            auto row = live_.find(object);
            if (row == live_.end()) continue;
            uint64_t& applied = row->second.summary.deletes_applied;
            applied = std::max(applied, through);
          }
          ++version_;
        });
  }
  Result<void> cancel_delete(uint64_t number) override {
    return end_delete(number, [&] { return requests_.remove(number); });
  }
  Result<bool> is_applied(const DeleteRequest& request) override {
    std::lock_guard lock(mutex_);
    TRY_LET(bool held, objects_.holds_entries_of(request));
    return !held;
  }
  Result<void> finish_delete(uint64_t number) override {
    return end_delete(number, [&] { return requests_.finish(number, clock_.wall()); });
  }
  Result<void> correct_times() override {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    const UnixNanos now = clock_.wall();
    {
      TRY_LET(Statement any, db_.prepare("SELECT EXISTS (SELECT 1 FROM object WHERE dead_at > ?1) OR EXISTS (SELECT 1 "
                                         "FROM delete_request WHERE created > ?1 OR processed > ?1)"));
      TRY(any.bind_all(now));
      TRY_LET(Step step, any.step());
      if (step != Step::kRow || any.integer(0) == 0) return {};
    }
    return change(
        [&]() -> Result<void> {
          TRY(objects_.correct_deaths(now));
          TRY(requests_.correct_times(now));
          return set_cluster(version_ + 1, flushed_frame_);
        },
        [&] {
          for (DeleteRequest& request : deletes_) request.created = std::min(request.created, now);
          ++version_;
        });
  }

  Result<uint64_t> generation() override {
    std::lock_guard lock(mutex_);
    return read_generation();
  }
  Result<uint64_t> raise_generation() override {
    TRY_LET(const uint64_t raised, in_transaction<uint64_t>([&]() -> Result<uint64_t> {
              TRY_LET(Statement raise,
                      db_.prepare("INSERT INTO generation VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET "
                                  "number = number + 1 RETURNING number"));
              TRY_LET(Step step, raise.step());
              if (step != Step::kRow) return fail(Errc::kIo, "raise the generation: no number");
              const auto number = static_cast<uint64_t>(raise.integer(0));
              TRY(raise.step());
              return number;
            }));
    std::lock_guard lock(mutex_);
    generation_ = std::max(generation_, raised);
    tell_of_change();
    return raised;
  }

  Result<bool> is_empty() override {
    std::lock_guard lock(mutex_);
    TRY_LET(Statement any, db_.prepare("SELECT EXISTS (SELECT 1 FROM object) OR EXISTS (SELECT 1 FROM producer) OR "
                                       "EXISTS (SELECT 1 FROM delete_request)"));
    TRY_LET(Step step, any.step());
    return step == Step::kRow && any.integer(0) == 0;
  }
  Result<void> restore(const Content& content) override {
    TRY_LET(bool empty, is_empty());
    if (!empty) return fail(Errc::kInvalid, "restore: the catalogue is not empty");
    TRY(in_transaction<void>([&]() -> Result<void> {
      for (const ObjectRow& row : content.objects) TRY(objects_.insert(row));
      for (const ProducerRange& range : content.batches) TRY(batches_.add(range, clock_.wall()));
      for (const DeleteRequest& request : content.deletes) TRY(requests_.add(request));
      TRY(requests_.raise_last_number(content.last_delete));
      TRY_LET(Statement generation, db_.prepare("INSERT OR REPLACE INTO generation VALUES (1, ?1)"));
      TRY(generation.run(content.generation));
      TRY_LET(Statement update, db_.prepare("UPDATE cluster SET id = ?1, version = 1, flushed_frame = ?2"));
      return update.run(Blob{content.cluster.bytes()}, content.flushed_frame);
    }));
    std::lock_guard lock(mutex_);
    return reload();
  }

  Result<std::vector<Ulid>> known(std::span<const Ulid> objects) override {
    std::lock_guard lock(mutex_);
    std::vector<Ulid> out;
    for (const Ulid& object : objects) {
      TRY_LET(auto state, objects_.state(object));
      if (!state) {
        TRY_LET(bool planned, jobs_.plans(object));
        if (!planned) continue;
      }
      out.push_back(object);
    }
    return out;
  }

 private:
  Result<uint64_t> read_generation() {
    TRY_LET(Statement row, db_.prepare("SELECT number FROM generation"));
    TRY_LET(Step step, row.step());
    return step == Step::kRow ? static_cast<uint64_t>(row.integer(0)) : 0;
  }

  // Under mutex_.
  void tell_of_change() {
    if (changed_) changed_({cluster_, generation_, version_});
  }

  template <class Value, class Work>
  Result<Value> in_transaction(Work work) {
    std::lock_guard lock(mutex_);
    TRY_LET(Transaction transaction, db_.begin());
    Result<Value> outcome = work();
    TRY(outcome);
    TRY(transaction.commit());
    return outcome;
  }

  // A request that readers need not look at any more.
  template <class Write>
  Result<void> end_delete(uint64_t number, Write write) {
    std::lock_guard lock(mutex_);
    TRY(fresh());
    return change(
        [&]() -> Result<void> {
          TRY(write());
          return set_cluster(version_ + 1, flushed_frame_);
        },
        [&] {
          std::erase_if(deletes_, [&](const DeleteRequest& request) { return request.number == number; });
          ++version_;
        });
  }

  // Runs `write` in a transaction, then `apply` on what is in memory. Where the outcome of the commit is unknown,
  // memory is read anew before the next change.
  template <class Write, class Apply>
  Result<void> change(Write write, Apply apply) {
    TRY_LET(Transaction transaction, db_.begin());
    TRY(write());
    TRY(pipeline::failpoint("catalog.before_commit"));
    stale_ = true;
    TRY(transaction.commit());
    TRY(pipeline::failpoint("catalog.after_commit"));
    stale_ = false;
    {
      std::lock_guard lock(live_mutex_);
      apply();
      snapshot_.reset();
    }
    tell_of_change();
    return {};
  }

  Result<void> fresh() {
    if (!stale_) return {};
    return reload();
  }

  Result<void> reload() {
    TRY_LET(auto rows, objects_.live());
    TRY_LET(Statement row, db_.prepare("SELECT id, version, flushed_frame FROM cluster"));
    TRY_LET(Step step, row.step());
    auto id = Ulid::from_bytes(step == Step::kRow ? row.blob(0) : std::string_view());
    if (!id) return fail(Errc::kCorrupt, "the catalogue names no cluster");
    TRY_LET(auto requests, requests_.all());
    std::erase_if(requests, [](const DeleteRequest& request) { return request.processed != 0; });
    TRY_LET(uint64_t last_delete, requests_.last_number());
    TRY_LET(generation_, read_generation());
    std::lock_guard lock(live_mutex_);
    cluster_ = *id;
    deletes_ = std::move(requests);
    last_delete_ = last_delete;
    version_ = static_cast<uint64_t>(row.integer(1));
    flushed_frame_ = static_cast<uint64_t>(row.integer(2));
    live_.clear();
    for (ObjectRow& object : rows) live_.emplace(object.summary.object, std::move(object));
    snapshot_.reset();
    stale_ = false;
    return {};
  }

  Result<void> set_cluster(uint64_t version, uint64_t flushed_frame) {
    TRY_LET(Statement update, db_.prepare("UPDATE cluster SET version = ?1, flushed_frame = ?2"));
    return update.run(version, flushed_frame);
  }

  std::mutex mutex_;  // the database, and changes of what is in memory
  Database db_;
  ObjectTable objects_;
  BatchTable batches_;
  NoteTable notes_;
  JobTable jobs_;
  DeleteTable requests_;
  const pipeline::Clock& clock_;
  const std::function<void(const CatalogAge&)> changed_;
  bool stale_ = false;
  uint64_t generation_ = 0;

  std::mutex live_mutex_;  // what is in memory: changed under both, read under either
  Ulid cluster_;
  uint64_t version_ = 0, flushed_frame_ = 0;
  std::map<Ulid, ObjectRow> live_;
  std::vector<DeleteRequest> deletes_;  // not processed
  uint64_t last_delete_ = 0;
  std::shared_ptr<const CatalogSnapshot> snapshot_;
};

Result<void> make_tables(Database& db) {
  std::random_device device;
  auto random = [&] { return static_cast<uint64_t>(device()) << 32 | device(); };
  TRY_LET(Transaction transaction, db.begin());
  TRY(db.execute(kSchema));
  TRY(db.execute(ObjectTable::kSchema));
  TRY(db.execute(BatchTable::kSchema));
  TRY_LET(Statement insert, db.prepare("INSERT INTO cluster VALUES (?1, 1, 0, 0)"));
  TRY(insert.run(Blob{Ulid{random(), random()}.bytes()}));
  TRY(db.set_schema_version(kSchemaVersion));
  return transaction.commit();
}

Result<void> upgrade_tables(Database& db, int64_t version) {
  TRY_LET(Transaction transaction, db.begin());
  if (version < 2) TRY(db.execute(ObjectTable::kUpgrade1));
  TRY(db.execute(ObjectTable::kUpgrade2));
  TRY(db.set_schema_version(kSchemaVersion));
  return transaction.commit();
}

}  // namespace

Result<std::unique_ptr<Catalog>> open_sqlite_catalog(CatalogOptions options, const pipeline::Clock& clock) {
  pipeline::DatabaseOptions database;
  database.busy_timeout = options.busy_timeout;
  TRY_LET(Database db, Database::open(options.path, database));
  TRY_LET(int64_t version, db.schema_version());
  if (version > kSchemaVersion) {
    return fail(Errc::kInvalid, concat(options.path, ": made by a newer version: tables ", version));
  }
  TRY(pipeline::failpoint("catalog.opened"));
  if (version == 0) TRY(make_tables(db));
  TRY(pipeline::failpoint("catalog.has_tables"));
  if (version > 0 && version < kSchemaVersion) TRY(upgrade_tables(db, version));
  TRY(db.execute(JobTable::kSchema));
  TRY(db.execute(DeleteTable::kSchema));
  TRY(db.execute(kGenerationSchema));
  TRY_LET(ObjectTable objects, ObjectTable::open(db));
  TRY_LET(BatchTable batches, BatchTable::open(db));
  TRY_LET(NoteTable notes, NoteTable::open(db));
  auto catalog = std::make_unique<SqliteCatalog>(std::move(db), std::move(objects), std::move(batches),
                                                 std::move(notes), clock, std::move(options.changed));
  TRY(catalog->load());
  return std::unique_ptr<Catalog>(std::move(catalog));
}

}  // namespace server
