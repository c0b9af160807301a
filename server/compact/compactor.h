// Compactor: keeps objects few and large, and the store free of what nobody may see.
//
// One thread of its own: every Options::interval, and when asked, it
//   1. drops objects whose entries are all past their retention, and the oldest ones beyond max_bytes (expiry.h),
//   2. rewrites objects that hold entries of requests to delete, or many expired ones, without them; objects in which a
//      request finds nothing (delete_scan.h) are marked in one transaction,
//   3. looks for a merge (merge_plan.h) and makes it,
//   4. raises the generation of the catalogue (catalog/generation.h), deletes what is dead (garbage_collector.h) and
//      says which requests to delete are done (delete_keeper.h).
// Merging and rewriting are the same (object_merger.h), each a job of the catalogue (merge_job.h) that swaps inputs for
// outputs in one transaction. Before the swap the outputs are invisible, after it the inputs are; a crash at any moment
// leaves at worst files without a row.
//
// Life:    open() before anything else writes to the store (it removes what was left unfinished). stop() (or the
//          destructor) ends a running merge within some thousand entries and joins the thread.
// Thread:  compact_all(): any.
// Limits:  memory: that of one merge (object_merger.h). Processor: Options::processors, but for compact_all().
// Errors:  logged and counted; a failed merge is tried again at the next interval; an object with a corrupt page is
//          left alone from then on, its other pages stay readable; when a request to delete touches it, it goes to
//          the quarantine (quarantine.h), and what is readable of it is rewritten. One that is not in the store is left
//          alone, too, and written off when a request to delete has waited for it for the grace (missing_objects.h).
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/unique_function.h"
#include "server/compact/delete_keeper.h"
#include "server/compact/expiry.h"
#include "server/compact/garbage_collector.h"
#include "server/compact/merge_job.h"
#include "server/compact/merge_plan.h"
#include "server/compact/missing_objects.h"
#include "server/compact/sober_clock.h"
#include "server/store/ulid.h"

namespace server {

struct CompactorOptions {
  bool background = true;  // false: only compact_all() merges; all else is done all the same
  std::chrono::milliseconds interval{5000};
  std::chrono::seconds collect_interval{60};
  std::chrono::seconds orphan_interval{3600};
  std::chrono::seconds generation_interval{60};  // of a catalogue that changes (catalog/generation.h)
  std::chrono::seconds lease{120};
  double processors = 1;  // how much of one the thread may use
  GarbageOptions garbage;
  PlanOptions plan;
  MergeOptions merge;
  ExpiryOptions expiry;
  DeleteKeeperOptions deletes;
  SoberClockOptions clock;
  RetentionSource retention;  // null: everything is kept
};

class Compactor {
 public:
  using Done = pipeline::UniqueFunction<void(Result<void>)>;

  // What it is given outlives it.
  static Result<std::unique_ptr<Compactor>> open(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                                                 pipeline::Registry& registry, CompactorOptions options);
  ~Compactor();

  // Merges until every period has one object below the target size and no L0 object is left. What becomes visible
  // meanwhile may or may not be included. `done` is called once, on the compactor's thread: with the first error, or
  // kCancelled by stop().
  void compact_all(Done done);

  void stop();  // may be called twice

  DeleteKeeper& deletes() { return deletes_; }  // Thread: any

  // --- The steps, for tests and tools; not while the thread runs a merge.
  // Makes one merge and its swap. kNotFound: there was nothing to do.
  Result<void> merge_once(const std::vector<ObjectRow>& inputs);
  Result<void> keep_promises();        // expiry and rewriting, once through
  Result<uint64_t> collect_garbage();  // dead and abandoned objects deleted, after keep_generation()
  Result<void> keep_generation();      // raised where it is time, or where something is about to be deleted
  Result<uint64_t> remove_orphans();   // and a look into the quarantine; the first time what ingest left is brought in
  Result<void> finish_deletes();

 private:
  struct Metrics;
  Compactor(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
            CompactorOptions options);
  void run();
  void run_background();
  void run_chores();  // where it is time
  bool is_wanted();   // by someone who asked for a merge, or by stop()
  Result<void> run_full();
  Result<bool> merge_planned(bool everything);
  Result<std::set<Ulid>> excluded();
  Result<void> apply_deletes(const CatalogSnapshot& snapshot, uint64_t ripe, const std::set<Ulid>& gone,
                             std::vector<ObjectRow>& rewrite);
  Result<void> salvage(const ObjectRow& row);
  Result<MergeOutcome> merge(const std::vector<ObjectRow>& inputs, Damage damage);
  Result<uint64_t> collect_abandoned();
  void set_aside(const pipeline::Error& error, const std::vector<ObjectRow>& inputs);
  UnixNanos sober_now();
  double debt(double (*part)(const CompactionDebt&, UnixNanos)) const;

  ObjectStore& store_;
  Catalog& catalog_;
  const pipeline::Clock& clock_;
  pipeline::Registry& registry_;
  const CompactorOptions options_;
  UlidMaker ulids_;
  const LeaseTerms lease_;
  std::unique_ptr<Metrics> metrics_;
  GarbageCollector garbage_;
  Expiry expiry_;
  DeleteKeeper deletes_;
  SoberClock sober_clock_;  // for all that is erased for its age
  MissingObjects missing_;
  std::set<Ulid> damaged_;
  bool full_speed_ = false;
  bool looked_for_unknown_ = false;  // once after the start
  std::chrono::nanoseconds next_collection_{0}, next_orphans_{0}, next_generation_{0};
  std::optional<uint64_t> raised_at_;  // version of the catalogue
  std::atomic<bool> cancelled_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Done> requests_;  // under mutex_
  bool stopping_ = false;       // under mutex_
  std::thread thread_;
};

}  // namespace server
