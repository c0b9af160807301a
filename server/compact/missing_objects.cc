#include "server/compact/missing_objects.h"

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "pipeline/base/time_format.h"
#include "server/compact/quarantine.h"
#include "server/store/cluster_marker.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::log_error;
using pipeline::log_info;

namespace {

std::string description_of(const ObjectRow& row) {
  const ObjectSummary& s = row.summary;
  return concat("key ", row.key, "\nentries ", s.rows, "\nraw_bytes ", s.raw_bytes, "\nsize ", s.size, "\nfirst ",
                pipeline::format_rfc3339(s.min_time), "\nlast ", pipeline::format_rfc3339(s.max_time), "\n");
}

}  // namespace

MissingObjects::MissingObjects(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock,
                               pipeline::Registry& registry, std::chrono::nanoseconds patience)
    : store_(store),
      catalog_(catalog),
      clock_(clock),
      patience_(patience),
      missing_(registry.gauge("skidway_server_missing_objects", "Live objects that were not found in the store.")),
      lost_(registry.counter("skidway_server_lost_objects_total",
                             "Objects written off because a request to delete could not find them.")),
      lost_entries_(registry.counter("skidway_server_lost_entries_total", "Entries in objects written off.")) {}

Result<void> MissingObjects::check_store() {
  auto owner = store_owner(store_, catalog_.cluster().text());
  if (owner && *owner == catalog_.cluster()) return {};
  if (!owner && owner.error().code != Errc::kNotFound) return fail(owner.error());
  return fail(Errc::kUnavailable, "objects are missing, and so is the marker cluster.json: is it the right store?");
}

Result<uint64_t> MissingObjects::look_for(std::span<const ObjectRow> rows) {
  uint64_t found = 0;
  for (const ObjectRow& row : rows) {
    auto size = store_.size(row.key);
    if (size) continue;
    if (size.error().code != Errc::kNotFound) return fail(size.error());
    TRY(check_store());
    ++found;
    if (!since_.emplace(row.summary.object, clock_.monotonic()).second) continue;
    log_error("an object is not in the store: queries that need it are partial, merges leave it alone",
              {{"object", row.key}, {"entries", row.summary.rows}});
  }
  missing_.set(static_cast<int64_t>(since_.size()));
  return found;
}

Result<void> MissingObjects::look_again() {
  if (since_.empty()) return {};
  TRY_LET(auto snapshot, catalog_.snapshot());
  std::map<Ulid, std::chrono::nanoseconds> still;
  for (const ObjectRow& row : snapshot->objects) {
    auto missing = since_.find(row.summary.object);
    if (missing == since_.end()) continue;
    if (store_.size(row.key)) {
      log_info("an object that was missing is there again", {{"object", row.key}});
    } else {
      still.insert(*missing);
    }
  }
  since_ = std::move(still);
  missing_.set(static_cast<int64_t>(since_.size()));
  return {};
}

void MissingObjects::forget(const Ulid& object) {
  since_.erase(object);
  missing_.set(static_cast<int64_t>(since_.size()));
}

void MissingObjects::add_to(std::set<Ulid>& objects) const {
  for (const auto& [object, since] : since_) objects.insert(object);
}

bool MissingObjects::is_lost(const Ulid& object) const {
  auto missing = since_.find(object);
  return missing != since_.end() && clock_.monotonic() - missing->second >= patience_;
}

Result<void> MissingObjects::write_off(const ObjectRow& row, std::span<const uint64_t> requests) {
  const std::string kept = concat(quarantine_folder(catalog_.cluster()), "/", row.summary.object.text(), ".missing");
  auto noted = store_.put(kept, description_of(row));
  if (!noted && noted.error().code != Errc::kInvalid) return noted;  // kInvalid: noted by a try before
  TRY(failpoint("missing.noted"));
  SwapDetails details;
  for (uint64_t request : requests) details.unreadable.push_back({request, kept});
  TRY(catalog_.swap(std::vector{row.summary.object}, {}, details));
  TRY(failpoint("missing.dropped"));
  forget(row.summary.object);
  lost_.add();
  lost_entries_.add(row.summary.rows);
  log_error("an object is lost; a request to delete goes on without it",
            {{"object", row.key}, {"note", kept}, {"lost_entries", row.summary.rows}});
  return {};
}

}  // namespace server
