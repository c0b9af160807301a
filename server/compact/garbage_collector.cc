#include "server/compact/garbage_collector.h"

#include <algorithm>
#include <optional>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/catalog/generation.h"
#include "server/compact/adoption.h"
#include "server/compact/delete_keeper.h"
#include "server/compact/quarantine.h"

namespace server {

using pipeline::failpoint;
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

GarbageCollector::GarbageCollector(ObjectStore& store, Catalog& catalog, pipeline::Registry& registry,
                                   GarbageOptions options)
    : store_(store),
      catalog_(catalog),
      options_(options),
      deleted_(registry.counter("skidway_server_objects_deleted_total", "Dead objects deleted from the store.")),
      abandoned_(registry.counter("skidway_server_abandoned_objects_deleted_total",
                                  "Outputs of merges that were cut off, deleted from the store.")),
      adopted_(registry.counter("skidway_server_adopted_objects_total",
                                "Objects that an earlier run left and the catalogue did not have, brought in.")),
      quarantined_(registry.counter("skidway_server_quarantined_objects_total", "Damaged objects set aside.")),
      orphans_(registry.counter("skidway_server_orphans_deleted_total", "Objects without a row, deleted.")),
      unknown_(registry.gauge("skidway_server_unknown_objects", "Objects without a row, too young to be deleted.")) {}

Result<uint64_t> GarbageCollector::collect_dead(const std::atomic<bool>& cancelled) {
  TRY_LET(auto dead, catalog_.dead_objects(options_.grace));
  std::vector<Ulid> gone;
  Result<void> trouble;
  for (const DeadObject& object : dead) {
    if (cancelled) break;
    trouble = failpoint("gc.before_remove");
    if (trouble) trouble = store_.remove(object.key);
    if (!trouble) break;
    gone.push_back(object.object);
  }
  if (!gone.empty()) {
    TRY(failpoint("gc.before_forget"));
    TRY(catalog_.forget_objects(gone));
  }
  deleted_.add(gone.size());
  TRY(trouble);
  return gone.size();
}

Result<uint64_t> GarbageCollector::collect_abandoned(const std::atomic<bool>& cancelled) {
  TRY_LET(auto outputs, catalog_.abandoned_outputs());
  std::vector<Ulid> gone;
  for (const AbandonedOutput& output : outputs) {
    if (cancelled) break;
    auto adoption = Adoption::kAbsent;
    if (output.left_by_ingest) { TRY_LET(adoption, adopt_object(store_, catalog_, output.key, Origin::kPlanned)); }
    if (adoption == Adoption::kTaken) adopted_.add();
    if (adoption == Adoption::kTooNew)
      log_warn("an object that an earlier run left is of a newer version: it stays", {{"object", output.key}});
    if (adoption == Adoption::kUnreadable) TRY(set_aside(output));
    if (adoption == Adoption::kTaken || adoption == Adoption::kTooNew) continue;
    TRY(store_.abandon(output.key));
    TRY(failpoint("gc.abandoned_removed"));
    gone.push_back(output.object);
  }
  if (!gone.empty()) TRY(catalog_.forget_outputs(gone));
  abandoned_.add(gone.size());
  return gone.size();
}

// It may have been committed and acknowledged after the moment of a copy that was put back.
Result<void> GarbageCollector::set_aside(const AbandonedOutput& output) {
  const std::string kept = quarantine_key(catalog_.cluster(), output.object);
  TRY(put_in_quarantine(store_, output.key, kept));
  quarantined_.add();
  log_error("an object that an earlier run left cannot be read: it is in quarantine",
            {{"object", output.key}, {"quarantine", kept}});
  return {};
}

Result<uint64_t> GarbageCollector::collect_orphans(UnixNanos now, const std::atomic<bool>& cancelled) {
  const UnixNanos newest = now - std::chrono::nanoseconds(options_.orphan_age).count();
  uint64_t removed = 0, young = 0;
  for (int level : kLevels) {
    TRY_LET(uint64_t of_level, remove_unknown(level, newest, young, cancelled));
    removed += of_level;
  }
  orphans_.add(removed);
  if (static_cast<uint64_t>(unknown_.value()) != young && young > 0) {
    log_warn(
        "the store holds objects that the catalogue does not know; was an older one put back? `catalog rebuild` "
        "makes one that knows them; without it they are deleted when they are old",
        {{"objects", young}});
  }
  unknown_.set(static_cast<int64_t>(young));
  return removed;
}

Result<uint64_t> GarbageCollector::adopt_unknown(const std::atomic<bool>& cancelled) {
  constexpr int kOfIngest = 0;
  TRY_LET(auto ids, unknown(kOfIngest));
  uint64_t taken = 0;
  for (const Ulid& id : ids) {
    if (cancelled) break;
    const std::string key = object_key(catalog_.cluster(), kOfIngest, id);
    TRY_LET(auto adoption, adopt_object(store_, catalog_, key, Origin::kUnknown));
    if (adoption == Adoption::kTaken) ++taken;
  }
  adopted_.add(taken);
  return taken;
}

Result<std::vector<Ulid>> GarbageCollector::unknown(int level) {
  TRY_LET(auto keys, store_.list(object_folder(catalog_.cluster(), level)));
  std::vector<Ulid> ids;
  for (const std::string& key : keys) {
    if (auto id = id_of_key(key)) ids.push_back(*id);
  }
  TRY_LET(auto known, catalog_.known(ids));  // after the listing: what came meanwhile was planned before
  std::sort(known.begin(), known.end());
  std::erase_if(ids, [&](const Ulid& id) { return std::binary_search(known.begin(), known.end(), id); });
  return ids;
}

Result<uint64_t> GarbageCollector::remove_unknown(int level, UnixNanos newest, uint64_t& young,
                                                  const std::atomic<bool>& cancelled) {
  TRY_LET(auto ids, unknown(level));
  uint64_t removed = 0;
  for (const Ulid& id : ids) {
    if (cancelled) break;
    if (id.time() > newest) {
      ++young;
      continue;
    }
    std::string key = object_key(catalog_.cluster(), level, id);
    TRY(store_.remove(key));
    log_info("orphaned object removed", {{"object", key}});
    ++removed;
  }
  return removed;
}

Result<void> GarbageCollector::remove_unfinished() {
  const Ulid cluster = catalog_.cluster();
  std::vector<std::string> folders = {quarantine_folder(cluster), deletes_folder(cluster), generations_folder(cluster)};
  for (int level : kLevels) folders.push_back(object_folder(cluster, level));
  for (const std::string& folder : folders) {
    TRY_LET(uint64_t unfinished, store_.remove_unfinished(folder));
    if (unfinished > 0) log_info("unfinished objects removed", {{"folder", folder}, {"objects", unfinished}});
  }
  return {};
}

}  // namespace server
