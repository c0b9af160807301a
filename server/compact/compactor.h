// Compactor: keeps objects few and large, and the store free of what nobody can see.
//
// One thread of its own: every Options::interval, and when asked, it looks for a merge (merge_plan.h), makes it
// (object_merger.h) and swaps inputs for outputs in one transaction of the catalogue. Before the swap the outputs are
// invisible, after it the inputs are; a crash at any moment leaves at worst files without a row. Dead objects are
// deleted Options::grace after their death: queries that began before still read them. Files without a row are deleted
// at the start once they are Options::orphan_age old.
//
// Life:    open() before anything else writes to the store (it removes what was left unfinished). stop() (or the
//          destructor) ends a running merge at its next page and joins the thread.
// Thread:  compact_all(): any.
// Errors:  logged and counted; a failed merge is tried again at the next interval; an object with a corrupt page is
// left
//          alone from then on, its other pages stay readable.
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
#include "server/compact/merge_plan.h"
#include "server/compact/object_merger.h"
#include "server/store/ulid.h"

namespace server {

struct CompactorOptions {
  bool background = true;  // false: only compact_all() merges; garbage is collected all the same
  std::chrono::milliseconds interval{5000};
  std::chrono::seconds grace{3600};
  std::chrono::hours orphan_age{24};
  std::chrono::minutes collect_interval{1};
  PlanOptions plan;
  MergeOptions merge;
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

  // --- The steps, for tests and tools; not while the thread runs a merge.
  // Makes one merge and its swap. kNotFound: there was nothing to do.
  Result<void> merge_once(const std::vector<ObjectRow>& inputs);
  Result<uint64_t> collect_garbage();  // dead objects deleted
  Result<uint64_t> remove_orphans();

 private:
  struct Metrics;
  Compactor(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
            CompactorOptions options);
  void run();
  void run_background();
  Result<void> run_full();
  void set_aside(const pipeline::Error& error, const std::vector<ObjectRow>& inputs);

  ObjectStore& store_;
  Catalog& catalog_;
  const pipeline::Clock& clock_;
  const CompactorOptions options_;
  UlidMaker ulids_;
  std::unique_ptr<Metrics> metrics_;
  std::set<Ulid> damaged_;
  std::chrono::nanoseconds next_collection_{0};
  std::atomic<bool> cancelled_{false};

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Done> requests_;  // under mutex_
  bool stopping_ = false;       // under mutex_
  std::thread thread_;
};

}  // namespace server
