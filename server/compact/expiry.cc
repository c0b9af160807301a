#include "server/compact/expiry.h"

#include <algorithm>
#include <set>

#include "pipeline/base/log.h"
#include "server/store/object_reader.h"

namespace server {

namespace {

constexpr UnixNanos kHour = 3'600'000'000'000, kDay = 24 * kHour;

// Everything that any tenant of the object may have in it is past its retention.
bool is_expired(const ObjectSummary& summary, const Erasures& erasures) {
  return std::all_of(summary.tenants.begin(), summary.tenants.end(),
                     [&](const std::string& tenant) { return summary.max_time < erasures.of(tenant)->oldest(); });
}

// Something may be.
bool may_hold_expired(const ObjectSummary& summary, const Erasures& erasures) {
  return std::any_of(summary.tenants.begin(), summary.tenants.end(),
                     [&](const std::string& tenant) { return summary.min_time < erasures.of(tenant)->newest(); });
}

}  // namespace

ExpiryPlan Expiry::plan(const CatalogSnapshot& snapshot, const Erasures& erasures, UnixNanos now) {
  ExpiryPlan plan;
  std::set<Ulid> live;
  for (const ObjectRow& row : snapshot.objects) {
    live.insert(row.summary.object);
    if (is_expired(row.summary, erasures)) {
      plan.drop_expired.push_back(row);
    } else if (may_hold_expired(row.summary, erasures) && is_to_be_rewritten(row, erasures, now)) {
      plan.rewrite.push_back(row);
    }
  }
  std::erase_if(looked_at_, [&](const auto& looked) { return !live.contains(looked.first); });
  if (options_.max_bytes > 0) add_for_room(snapshot, now, plan);
  return plan;
}

bool Expiry::is_to_be_rewritten(const ObjectRow& row, const Erasures& erasures, UnixNanos now) {
  auto& next_look = looked_at_[row.summary.object];
  if (now < next_look) return false;
  next_look = now + kHour;
  auto object = ObjectReader::open(store_, row.key, row.summary.size, row.summary.footer_length);
  if (!object) {
    pipeline::log_warn("retention: an object cannot be read, it stays",
                       {{"object", row.key}, {"error", object.error()}});
    return false;
  }
  for (const StreamInfo& stream : (*object)->streams()) {
    auto tenant = erasures.of((*object)->tenants()[stream.tenant]);
    const UnixNanos cutoff = tenant->by_stream() ? tenant->cutoff((*object)->labels(stream)) : tenant->oldest();
    if (cutoff == kNoTime) continue;
    if (stream.max_time < cutoff || stream.min_time < cutoff - kDay) return true;
  }
  return false;
}

void Expiry::add_for_room(const CatalogSnapshot& snapshot, UnixNanos now, ExpiryPlan& plan) const {
  uint64_t bytes = 0;
  std::set<Ulid> gone;
  for (const ObjectRow& row : plan.drop_expired) gone.insert(row.summary.object);
  std::vector<const ObjectRow*> rows;
  for (const ObjectRow& row : snapshot.objects) {
    if (gone.contains(row.summary.object)) continue;
    bytes += row.summary.size;
    if (row.summary.max_time < now - options_.min_age.count()) rows.push_back(&row);
  }
  std::sort(rows.begin(), rows.end(),
            [](const ObjectRow* a, const ObjectRow* b) { return a->summary.max_time < b->summary.max_time; });
  for (const ObjectRow* row : rows) {
    if (bytes <= options_.max_bytes) return;
    bytes -= row->summary.size;
    plan.drop_for_room.push_back(*row);
    std::erase_if(plan.rewrite, [&](const ObjectRow& other) { return other == *row; });
  }
}

}  // namespace server
