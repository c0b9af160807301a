#include "server/compact/compactor.h"

#include <algorithm>
#include <pthread.h>

#include "pipeline/base/log.h"
#include "server/store/object_reader.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::log_error;
using pipeline::log_info;
using pipeline::log_warn;

namespace {

constexpr int kLevels[] = {0, 2};  // those that are written

// "<cluster>/l0/<ulid>.lseg"
std::optional<Ulid> id_of_key(std::string_view key) {
  constexpr std::string_view kSuffix = ".lseg";
  if (!key.ends_with(kSuffix)) return std::nullopt;
  key.remove_suffix(kSuffix.size());
  return Ulid::parse(key.substr(key.rfind('/') + 1));
}

}  // namespace

struct Compactor::Metrics {
  explicit Metrics(pipeline::Registry& registry)
      : merges(registry.counter("skidway_server_compactions_total", "Merges of objects that were swapped in.")),
        failures(registry.counter("skidway_server_compaction_failures_total", "Merges that failed.")),
        input_bytes(registry.counter("skidway_server_compaction_read_bytes_total", "Stored size of merged objects.")),
        output_bytes(registry.counter("skidway_server_compaction_written_bytes_total", "Stored size of new objects.")),
        repeated(registry.counter("skidway_server_compaction_repeated_entries_total",
                                  "Entries found in several objects, and kept once.")),
        deleted(registry.counter("skidway_server_objects_deleted_total", "Dead objects deleted from the store.")),
        orphans(registry.counter("skidway_server_orphans_deleted_total", "Objects without a row deleted at start.")),
        damaged(registry.gauge("skidway_server_damaged_objects", "Objects left alone for a corrupt page.")) {}

  pipeline::Counter &merges, &failures, &input_bytes, &output_bytes, &repeated, &deleted, &orphans;
  pipeline::Gauge& damaged;
};

Compactor::Compactor(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
                     CompactorOptions options)
    : store_(store),
      catalog_(catalog),
      clock_(clock),
      options_(options),
      ulids_(clock),
      metrics_(std::make_unique<Metrics>(registry)) {}

Result<std::unique_ptr<Compactor>> Compactor::open(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                                                   pipeline::Registry& registry, CompactorOptions options) {
  std::unique_ptr<Compactor> compactor(new Compactor(store, catalog, clock, registry, options));
  // A store that is away has its orphans until a later start.
  if (auto removed = compactor->remove_orphans(); !removed && removed.error().code != Errc::kUnavailable)
    return fail(removed.error());
  compactor->thread_ = std::thread([c = compactor.get()] { c->run(); });
  return compactor;
}

Compactor::~Compactor() { stop(); }

void Compactor::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  cancelled_ = true;
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Compactor::compact_all(Done done) {
  {
    std::lock_guard lock(mutex_);
    if (!stopping_) {
      requests_.push_back(std::move(done));
      wake_.notify_all();
      return;
    }
  }
  done(fail(Errc::kCancelled, "compact: stopping"));
}

void Compactor::run() {
  pthread_setname_np(pthread_self(), "compact");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, options_.interval, [this] { return stopping_ || !requests_.empty(); });
    std::vector<Done> requests = std::exchange(requests_, {});
    bool stopping = stopping_;
    lock.unlock();
    if (!requests.empty()) {
      auto outcome = run_full();
      for (Done& done : requests) done(outcome);
    } else if (!stopping) {
      run_background();
    }
    lock.lock();
  }
  for (Done& done : std::exchange(requests_, {})) done(fail(Errc::kCancelled, "compact: stopping"));
}

void Compactor::run_background() {
  while (options_.background && !cancelled_) {
    auto snapshot = catalog_.snapshot();
    if (!snapshot) break;
    auto inputs = plan_merge(**snapshot, clock_.wall(), options_.plan, damaged_);
    if (inputs.empty()) break;
    auto outcome = merge_once(inputs);
    if (!outcome && outcome.error().code != Errc::kCorrupt) break;
  }
  if (clock_.monotonic() < next_collection_) return;
  next_collection_ = clock_.monotonic() + options_.collect_interval;
  if (auto outcome = collect_garbage(); !outcome) {
    log_warn("collecting dead objects failed", {{"error", outcome.error()}});
  }
  if (auto outcome = catalog_.forget_batches(); !outcome) {
    log_warn("forgetting old batch numbers failed", {{"error", outcome.error()}});
  }
}

Result<void> Compactor::run_full() {
  for (;;) {
    TRY_LET(auto snapshot, catalog_.snapshot());
    auto inputs = plan_full_merge(*snapshot, options_.plan, damaged_);
    if (inputs.empty()) return {};
    auto outcome = merge_once(inputs);
    if (!outcome && outcome.error().code != Errc::kCorrupt) return outcome;
  }
}

Result<void> Compactor::merge_once(const std::vector<ObjectRow>& inputs) {
  if (inputs.empty()) return fail(Errc::kNotFound, "nothing to merge");
  auto begin = clock_.monotonic();
  auto outcome = merge_objects(store_, catalog_.cluster(), ulids_, inputs, options_.merge, cancelled_);
  if (!outcome) {
    if (outcome.error().code == Errc::kCancelled) return fail(outcome.error());
    metrics_->failures.add();
    log_warn("merge failed", {{"objects", inputs.size()}, {"error", outcome.error()}});
    if (outcome.error().code == Errc::kCorrupt) set_aside(outcome.error(), inputs);
    return fail(outcome.error());
  }
  std::vector<Ulid> ids;
  uint64_t input_bytes = 0, output_bytes = 0;
  for (const ObjectRow& row : inputs) ids.push_back(row.summary.object), input_bytes += row.summary.size;
  for (const ObjectRow& row : outcome->outputs) output_bytes += row.summary.size;

  auto swapped = catalog_.swap(ids, outcome->outputs);
  if (!swapped) {
    metrics_->failures.add();
    log_warn("swap after a merge failed", {{"objects", inputs.size()}, {"error", swapped.error()}});
    // kInvalid: certainly not swapped. Otherwise nobody knows, and the files must stay.
    if (swapped.error().code == Errc::kInvalid) {
      for (const ObjectRow& row : outcome->outputs) (void)store_.remove(row.key);
    }
    return swapped;
  }
  metrics_->merges.add();
  metrics_->input_bytes.add(input_bytes);
  metrics_->output_bytes.add(output_bytes);
  metrics_->repeated.add(outcome->repeated);
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.monotonic() - begin);
  log_info("objects merged", {{"inputs", inputs.size()},
                              {"outputs", outcome->outputs.size()},
                              {"entries", outcome->entries},
                              {"repeated", outcome->repeated},
                              {"read_bytes", input_bytes},
                              {"written_bytes", output_bytes},
                              {"took_ms", took.count()}});
  return {};
}

// Errors name the key of the object at fault. Where none is named all are left alone: merging must not spin.
void Compactor::set_aside(const pipeline::Error& error, const std::vector<ObjectRow>& inputs) {
  bool found = false;
  for (const ObjectRow& row : inputs) {
    if (error.message.find(row.key) == std::string::npos) continue;
    damaged_.insert(row.summary.object);
    found = true;
    log_error("object is damaged and will not be merged", {{"object", row.key}, {"error", error}});
  }
  for (const ObjectRow& row : inputs) {
    if (!found) damaged_.insert(row.summary.object);
  }
  metrics_->damaged.set(static_cast<int64_t>(damaged_.size()));
}

Result<uint64_t> Compactor::collect_garbage() {
  TRY_LET(auto dead, catalog_.dead_objects(options_.grace));
  std::vector<Ulid> gone;
  Result<void> trouble;
  for (const DeadObject& object : dead) {
    if (cancelled_) break;
    auto removed = store_.remove(object.key);
    if (removed) {
      gone.push_back(object.object);
    } else {
      trouble = std::move(removed);
    }
  }
  if (!gone.empty()) TRY(catalog_.forget_objects(gone));
  metrics_->deleted.add(gone.size());
  TRY(trouble);
  return gone.size();
}

Result<uint64_t> Compactor::remove_orphans() {
  UnixNanos newest = clock_.wall() - std::chrono::nanoseconds(options_.orphan_age).count();
  uint64_t removed = 0;
  for (int level : kLevels) {
    std::string folder = object_folder(catalog_.cluster(), level);
    TRY_LET(uint64_t unfinished, store_.remove_unfinished(folder));
    if (unfinished > 0) log_info("unfinished objects removed", {{"folder", folder}, {"objects", unfinished}});
    TRY_LET(auto keys, store_.list(folder));
    std::vector<Ulid> old;
    for (const std::string& key : keys) {
      auto id = id_of_key(key);
      if (id && id->time() <= newest) old.push_back(*id);
    }
    TRY_LET(auto known, catalog_.known(old));
    std::sort(known.begin(), known.end());
    for (const Ulid& id : old) {
      if (std::binary_search(known.begin(), known.end(), id)) continue;
      std::string key = object_key(catalog_.cluster(), level, id);
      TRY(store_.remove(key));
      log_info("orphaned object removed", {{"object", key}});
      ++removed;
    }
  }
  metrics_->orphans.add(removed);
  return removed;
}

}  // namespace server
