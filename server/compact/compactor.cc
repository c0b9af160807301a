#include "server/compact/compactor.h"

#include <algorithm>
#include <pthread.h>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/catalog/generation.h"
#include "server/compact/delete_scan.h"
#include "server/compact/quarantine.h"
#include "server/store/object_reader.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::log_error;
using pipeline::log_info;
using pipeline::log_warn;

namespace {

constexpr std::string_view kDebtBytes = "skidway_server_compaction_debt_bytes",
                           kDebtObjects = "skidway_server_compaction_debt_objects",
                           kDebtAge = "skidway_server_compaction_debt_age_seconds";

// The numbers of ripe requests that have still to be applied to the object.
std::vector<uint64_t> requests_touching(const ObjectRow& row, const CatalogSnapshot& snapshot, uint64_t ripe) {
  std::vector<uint64_t> out;
  for (const DeleteRequest& request : snapshot.deletes) {
    if (request.number <= ripe && request.number > row.summary.deletes_applied && holds_range_of(row.summary, request))
      out.push_back(request.number);
  }
  return out;
}

// Objects that have such requests, oldest first.
std::vector<ObjectRow> touched_by_deletes(const CatalogSnapshot& snapshot, uint64_t ripe) {
  std::vector<ObjectRow> out;
  std::copy_if(snapshot.objects.begin(), snapshot.objects.end(), std::back_inserter(out),
               [&](const ObjectRow& row) { return !requests_touching(row, snapshot, ripe).empty(); });
  return out;
}

// The next object would fare no better.
bool ends_round(const pipeline::Error& error) {
  return error.code == Errc::kCancelled || error.code == Errc::kUnavailable;
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
        expired(registry.counter("skidway_server_expired_entries_total", "Entries dropped for their age.")),
        dropped_expired(registry.counter("skidway_server_expired_bytes_total", "Stored size of objects dropped whole.",
                                         {{"reason", "retention"}})),
        dropped_for_room(registry.counter("skidway_server_expired_bytes_total", "Stored size of objects dropped whole.",
                                          {{"reason", "max_bytes"}})),
        untouched(registry.counter("skidway_server_delete_untouched_objects_total",
                                   "Objects in the range of a request to delete that held nothing of it.")),
        scanned_pages(registry.counter("skidway_server_delete_scanned_pages_total",
                                       "Pages read to know whether a request to delete touches an object.")),
        quarantined(registry.counter("skidway_server_quarantined_objects_total", "Damaged objects set aside.")),
        unreadable(registry.counter("skidway_server_unreadable_entries_total",
                                    "Entries of damaged objects that are in the quarantine only.")),
        damaged(registry.gauge("skidway_server_damaged_objects", "Objects left alone for a corrupt page.")),
        in_quarantine(
            registry.gauge("skidway_server_quarantine_objects",
                           "Objects in the quarantine, as of the last look; people look at and delete them.")),
        quarantine_bytes(registry.gauge("skidway_server_quarantine_bytes", "Size of what is in the quarantine.")),
        clock_ahead(registry.gauge("skidway_server_clock_ahead_seconds",
                                   "By how much the clock jumped ahead, while that is not believed.")) {}

  pipeline::Counter &merges, &failures, &input_bytes, &output_bytes, &repeated, &expired, &dropped_expired,
      &dropped_for_room, &untouched, &scanned_pages, &quarantined, &unreadable;
  pipeline::Gauge &damaged, &in_quarantine, &quarantine_bytes, &clock_ahead;
};

Compactor::Compactor(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry,
                     CompactorOptions options)
    : store_(store),
      catalog_(catalog),
      clock_(clock),
      registry_(registry),
      options_(std::move(options)),
      ulids_(clock),
      lease_{ulids_.make().text(), options_.lease},
      metrics_(std::make_unique<Metrics>(registry)),
      garbage_(store, catalog, registry, options_.garbage),
      expiry_(store, options_.expiry),
      deletes_(store, catalog, clock, registry, options_.deletes),
      sober_clock_(clock, options_.clock),
      missing_(store, catalog, clock, registry, options_.garbage.grace) {
  auto gauge = [&](std::string_view name, std::string_view help, double (*part)(const CompactionDebt&, UnixNanos)) {
    registry_.gauge_callback(name, help, [this, part] { return debt(part); });
  };
  gauge(kDebtBytes, "Stored size of objects that wait to be merged",
        [](const CompactionDebt& d, UnixNanos) { return static_cast<double>(d.bytes); });
  gauge(kDebtObjects, "Objects that wait to be merged",
        [](const CompactionDebt& d, UnixNanos) { return static_cast<double>(d.objects); });
  gauge(kDebtAge, "Age of the oldest object that waits to be merged", [](const CompactionDebt& d, UnixNanos now) {
    return d.oldest == 0 ? 0 : static_cast<double>(now - d.oldest) / 1e9;
  });
}

Result<std::unique_ptr<Compactor>> Compactor::open(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                                                   pipeline::Registry& registry, CompactorOptions options) {
  std::unique_ptr<Compactor> compactor(new Compactor(store, catalog, clock, registry, std::move(options)));
  // A store that is away has its orphans until later.
  auto clean = [&]() -> Result<void> {
    TRY(compactor->garbage_.remove_unfinished());
    TRY(compactor->collect_abandoned());
    TRY(compactor->remove_orphans());
    compactor->next_orphans_ = clock.monotonic() + compactor->options_.orphan_interval;
    return {};
  };
  if (auto cleaned = clean(); !cleaned && cleaned.error().code != Errc::kUnavailable) return fail(cleaned.error());
  compactor->thread_ = std::thread([c = compactor.get()] { c->run(); });
  return compactor;
}

Compactor::~Compactor() {
  stop();
  for (std::string_view name : {kDebtBytes, kDebtObjects, kDebtAge}) registry_.remove(name, {});
}

double Compactor::debt(double (*part)(const CompactionDebt&, UnixNanos)) const {
  auto snapshot = catalog_.snapshot();
  if (!snapshot) return 0;
  const UnixNanos now = clock_.wall();
  return part(compaction_debt(**snapshot, now, options_.plan), now);
}

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
      full_speed_ = true;
      auto outcome = run_full();
      full_speed_ = false;
      if (!stopping) run_chores();  // whoever asks again and again does not keep them off
      for (Done& done : requests) done(outcome);
    } else if (!stopping) {
      run_background();
    }
    lock.lock();
  }
  for (Done& done : std::exchange(requests_, {})) done(fail(Errc::kCancelled, "compact: stopping"));
}

// However much there is to merge: requests to delete, expiry and chores have their turn at every interval.
void Compactor::run_background() {
  for (bool more = true; more;) {
    const auto next_turn = clock_.monotonic() + options_.interval;
    if (auto kept = keep_promises(); !kept && kept.error().code != Errc::kCancelled)
      log_warn("retention and deletes: will be tried again", {{"error", kept.error()}});
    do {
      more = options_.background && !is_wanted();
      if (!more) break;
      auto merged = merge_planned(false);
      more = merged && *merged;
    } while (more && clock_.monotonic() < next_turn);
    run_chores();
  }
}

bool Compactor::is_wanted() {
  std::lock_guard lock(mutex_);
  return stopping_ || !requests_.empty();
}

void Compactor::run_chores() {
  if (clock_.monotonic() < next_collection_) return;
  next_collection_ = clock_.monotonic() + options_.collect_interval;
  auto report = [](std::string_view what, const auto& outcome) {
    if (!outcome) log_warn(what, {{"error", outcome.error()}});
  };
  auto lease = catalog_.take_lease("janitor", {lease_.owner, options_.collect_interval * 3});
  if (!lease) {
    if (lease.error().code != Errc::kUnavailable) report("taking the janitor's lease failed", lease);
    return;
  }
  report("looking for missing objects failed", missing_.look_again());
  report("collecting dead objects failed", collect_garbage());
  report("finishing requests to delete failed", finish_deletes());
  if (!sober_clock_.in_doubt()) report("forgetting old batch numbers failed", catalog_.forget_batches());
  if (clock_.monotonic() < next_orphans_) return;
  next_orphans_ = clock_.monotonic() + options_.orphan_interval;
  report("collecting orphans failed", remove_orphans());
}

Result<void> Compactor::run_full() {
  TRY(keep_promises());
  for (;;) {
    TRY_LET(bool merged, merge_planned(true));
    if (!merged) return {};
  }
}

// Damaged and missing ones, and what somebody else works on.
Result<std::set<Ulid>> Compactor::excluded() {
  std::set<Ulid> out = damaged_;
  missing_.add_to(out);
  TRY_LET(auto claimed, catalog_.claimed());
  out.insert(claimed.begin(), claimed.end());
  return out;
}

// False: there was nothing to do.
Result<bool> Compactor::merge_planned(bool everything) {
  TRY_LET(auto snapshot, catalog_.snapshot());
  TRY_LET(auto left_alone, excluded());
  const uint64_t ripe = deletes_.ripe(*snapshot, sober_now());
  auto inputs = everything ? plan_full_merge(*snapshot, options_.plan, left_alone, ripe)
                           : plan_merge(*snapshot, clock_.wall(), options_.plan, left_alone, ripe);
  if (inputs.empty()) return false;
  auto outcome = merge_once(inputs);
  if (outcome || outcome.error().code == Errc::kCorrupt) return true;
  if (outcome.error().code != Errc::kNotFound) return fail(outcome.error());
  TRY_LET(uint64_t missing, missing_.look_for(inputs));
  return missing > 0 ? Result<bool>(true) : fail(outcome.error());  // the next plan leaves them alone
}

Result<void> Compactor::keep_promises() {
  const UnixNanos now = sober_now();
  if (!sober_clock_.in_doubt()) TRY(catalog_.correct_times());
  TRY_LET(auto snapshot, catalog_.snapshot());
  const uint64_t ripe = deletes_.ripe(*snapshot, now);
  Erasures erasures({}, 0, options_.retention, now);
  ExpiryPlan plan = expiry_.plan(*snapshot, erasures, now);
  auto drop = [&](const std::vector<ObjectRow>& rows, pipeline::Counter& bytes, std::string_view why) -> Result<void> {
    for (const ObjectRow& row : rows) {
      TRY(failpoint("expiry.before_drop"));
      TRY(catalog_.swap(std::vector{row.summary.object}, {}));
      TRY(failpoint("expiry.after_drop"));
      metrics_->expired.add(row.summary.rows);
      bytes.add(row.summary.size);
      log_info("object dropped", {{"object", row.key}, {"reason", why}, {"entries", row.summary.rows}});
    }
    return {};
  };
  TRY(drop(plan.drop_expired, metrics_->dropped_expired, "retention"));
  TRY(drop(plan.drop_for_room, metrics_->dropped_for_room, "max_bytes"));

  std::set<Ulid> gone;
  for (const auto* dropped : {&plan.drop_expired, &plan.drop_for_room}) {
    for (const ObjectRow& row : *dropped) gone.insert(row.summary.object);
  }
  std::vector<ObjectRow> rewrite;
  Result<void> outcome = apply_deletes(*snapshot, ripe, gone, rewrite);
  for (const ObjectRow& row : plan.rewrite) {
    if (std::find(rewrite.begin(), rewrite.end(), row) == rewrite.end()) rewrite.push_back(row);
  }
  TRY_LET(auto left_alone, excluded());
  for (const ObjectRow& row : rewrite) {
    if (left_alone.contains(row.summary.object) || gone.contains(row.summary.object)) continue;
    auto rewritten = merge_once({row});
    if (rewritten || rewritten.error().code == Errc::kCorrupt) continue;
    if (outcome) outcome = rewritten;
    if (ends_round(rewritten.error())) break;
  }
  return outcome;
}

// Objects in which no ripe request touches anything are marked, all at once; those in which one does are added to
// `rewrite`; those that cannot be read are salvaged. What fails for one object does not hold up the others.
Result<void> Compactor::apply_deletes(const CatalogSnapshot& snapshot, uint64_t ripe, const std::set<Ulid>& gone,
                                      std::vector<ObjectRow>& rewrite) {
  const auto touched = touched_by_deletes(snapshot, ripe);
  if (touched.empty()) return {};
  const Erasures erasures(snapshot.deletes, ripe, nullptr, clock_.wall());
  CpuShare share(full_speed_ ? 1 : options_.processors);
  share.begin();
  DeleteScan scan(store_, erasures, share, cancelled_);
  TRY_LET(auto claimed, catalog_.claimed());
  Result<void> outcome;
  std::vector<Ulid> untouched;
  std::vector<ObjectRow> damaged, missing;
  for (const ObjectRow& row : touched) {
    const Ulid& object = row.summary.object;
    if (gone.contains(object) || std::binary_search(claimed.begin(), claimed.end(), object)) continue;
    auto found = scan.look(row);
    if (found) missing_.forget(object);
    if (!found && found.error().code == Errc::kCorrupt) {
      set_aside(found.error(), {row});
      damaged.push_back(row);
    } else if (!found && found.error().code == Errc::kNotFound) {
      missing.push_back(row);
    } else if (!found) {
      if (outcome) outcome = fail(found.error());
      if (ends_round(found.error())) break;
    } else if (*found == DeleteScan::Found::kNothing) {
      untouched.push_back(object);
    } else {
      (damaged_.contains(object) ? damaged : rewrite).push_back(row);
    }
  }
  metrics_->scanned_pages.add(scan.pages_read());
  if (!untouched.empty()) {
    TRY(failpoint("delete.before_mark"));
    TRY(catalog_.mark_applied(untouched, ripe));
    TRY(failpoint("delete.after_mark"));
    metrics_->untouched.add(untouched.size());
  }
  for (const ObjectRow& row : damaged) {
    auto salvaged = salvage(row);
    if (salvaged) continue;
    if (outcome) outcome = salvaged;
    if (ends_round(salvaged.error())) break;
  }
  TRY(missing_.look_for(missing));
  for (const ObjectRow& row : missing) {
    if (missing_.is_lost(row.summary.object))
      TRY(missing_.write_off(row, requests_touching(row, snapshot, UINT64_MAX)));
  }
  return outcome;
}

// A request must not wait for ever for an object that cannot be read: it is kept in quarantine as it is, and rewritten
// without what is unreadable. The receipts name it.
Result<void> Compactor::salvage(const ObjectRow& row) {
  const std::string kept = quarantine_key(catalog_.cluster(), row.summary.object);
  TRY(put_in_quarantine(store_, row.key, kept));
  TRY(failpoint("quarantine.copied"));
  TRY_LET(MergeOutcome outcome, merge({row}, Damage::kIsLeftOut));
  damaged_.erase(row.summary.object);
  metrics_->damaged.set(static_cast<int64_t>(damaged_.size()));
  if (outcome.unreadable == 0) return store_.remove(kept);  // this time all of it could be read
  metrics_->quarantined.add();
  metrics_->unreadable.add(outcome.unreadable);
  log_error("a damaged object is in quarantine; a request to delete goes on without what cannot be read",
            {{"object", row.key}, {"quarantine", kept}, {"lost_entries", outcome.unreadable}});
  return {};
}

Result<void> Compactor::merge_once(const std::vector<ObjectRow>& inputs) {
  TRY(merge(inputs, Damage::kFails));
  return {};
}

Result<MergeOutcome> Compactor::merge(const std::vector<ObjectRow>& inputs, Damage damage) {
  if (inputs.empty()) return fail(Errc::kNotFound, "nothing to merge");
  auto begin = clock_.monotonic();
  TRY_LET(auto snapshot, catalog_.snapshot());
  // Inputs of one merge are touched by the same requests (merge_plan.h).
  uint64_t applied = deletes_.ripe(*snapshot, sober_now());
  for (const ObjectRow& row : inputs) applied = std::max(applied, row.summary.deletes_applied);
  Erasures erasures(snapshot->deletes, applied, options_.retention, sober_now());
  std::vector<UnreadableObject> unreadable;  // for every request, also one that is not ripe yet
  for (const ObjectRow& row : inputs) {
    const std::string kept = quarantine_key(catalog_.cluster(), row.summary.object);
    for (uint64_t request : requests_touching(row, *snapshot, UINT64_MAX)) unreadable.push_back({request, kept});
  }
  CpuShare share(full_speed_ ? 1 : options_.processors);
  const MergeDoors doors{store_, catalog_, clock_, ulids_, lease_, options_.merge, cancelled_};
  auto outcome = run_merge_job(doors, {inputs, erasures, applied, damage}, share, std::move(unreadable));
  if (!outcome) {
    if (outcome.error().code == Errc::kCancelled) return fail(outcome.error());
    metrics_->failures.add();
    log_warn("merge failed", {{"objects", inputs.size()}, {"error", outcome.error()}});
    if (outcome.error().code == Errc::kCorrupt) set_aside(outcome.error(), inputs);
    return fail(outcome.error());
  }
  uint64_t input_bytes = 0, output_bytes = 0;
  for (const ObjectRow& row : inputs) input_bytes += row.summary.size;
  for (const ObjectRow& row : outcome->outputs) output_bytes += row.summary.size;
  metrics_->merges.add();
  metrics_->input_bytes.add(input_bytes);
  metrics_->output_bytes.add(output_bytes);
  metrics_->repeated.add(outcome->repeated);
  metrics_->expired.add(outcome->expired);
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.monotonic() - begin);
  log_info("objects merged", {{"inputs", inputs.size()},
                              {"outputs", outcome->outputs.size()},
                              {"entries", outcome->entries},
                              {"repeated", outcome->repeated},
                              {"expired", outcome->expired},
                              {"read_bytes", input_bytes},
                              {"written_bytes", output_bytes},
                              {"took_ms", took.count()}});
  return outcome;
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

// Of catalogues of this generation none believes an object to be live that is about to be deleted.
Result<void> Compactor::keep_generation() {
  TRY_LET(auto snapshot, catalog_.snapshot());
  if (raised_at_ == snapshot->version) return {};
  if (clock_.monotonic() < next_generation_) {
    TRY_LET(auto dead, catalog_.dead_objects(options_.garbage.grace));
    if (dead.empty()) return {};
  }
  TRY(raise_generation(store_, catalog_));
  raised_at_ = snapshot->version;
  next_generation_ = clock_.monotonic() + options_.generation_interval;
  return {};
}

Result<uint64_t> Compactor::collect_garbage() {
  TRY(keep_generation());
  (void)sober_now();
  uint64_t dead = 0;
  if (!sober_clock_.in_doubt()) { TRY_LET(dead, garbage_.collect_dead(cancelled_)); }
  TRY_LET(uint64_t abandoned, collect_abandoned());
  return dead + abandoned;
}

Result<uint64_t> Compactor::collect_abandoned() {
  TRY(deletes_.adopt());  // before anything is brought in
  return garbage_.collect_abandoned(cancelled_);
}

Result<uint64_t> Compactor::remove_orphans() {
  if (!looked_for_unknown_) {
    TRY(deletes_.adopt());
    TRY(garbage_.adopt_unknown(cancelled_));
    looked_for_unknown_ = true;
  }
  TRY_LET(auto quarantine, list_quarantine(store_, catalog_.cluster()));
  int64_t bytes = 0;
  for (const QuarantinedObject& object : quarantine) bytes += static_cast<int64_t>(object.size);
  metrics_->in_quarantine.set(static_cast<int64_t>(quarantine.size()));
  metrics_->quarantine_bytes.set(bytes);
  return garbage_.collect_orphans(sober_now(), cancelled_);
}

Result<void> Compactor::finish_deletes() { return deletes_.finish(sober_now()); }

UnixNanos Compactor::sober_now() {
  const UnixNanos now = sober_clock_.now();
  metrics_->clock_ahead.set(std::chrono::duration_cast<std::chrono::seconds>(sober_clock_.ahead()).count());
  return now;
}

}  // namespace server
