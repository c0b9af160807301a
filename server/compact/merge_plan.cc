#include "server/compact/merge_plan.h"

#include <algorithm>
#include <bit>
#include <map>

#include "server/compact/period.h"

namespace server {

namespace {

using Rows = std::vector<ObjectRow>;

// What may be merged with each other.
struct Group {
  Period period;
  uint64_t retention_seconds = 0;
  uint64_t deletes_applied = 0;
  auto operator<=>(const Group&) const = default;
};

struct Candidates {
  std::map<uint64_t, Rows> l0;  // by the requests to delete that are applied; oldest first, as all below
  std::map<Group, Rows> l2;     // below the target; the oldest period first
};

Candidates candidates(const CatalogSnapshot& snapshot, const PlanOptions& options, const std::set<Ulid>& excluded,
                      uint64_t ripe) {
  Candidates out;
  for (const ObjectRow& row : snapshot.objects) {  // in order of their ids
    const ObjectSummary& summary = row.summary;
    if (excluded.contains(summary.object)) continue;
    const uint64_t applied = std::max(summary.deletes_applied, ripe);
    if (summary.level == 0) {
      out.l0[applied].push_back(row);
    } else if (summary.size < options.target_bytes && summary.streams < options.target_streams) {
      const Period period = common_period(summary.min_time, summary.max_time);
      out.l2[{period, summary.retention_seconds, applied}].push_back(row);
    }
  }
  return out;
}

Rows oldest(const Rows& rows, const PlanOptions& options) {
  Rows out;
  uint64_t directories = 0;
  for (const ObjectRow& row : rows) {
    directories += row.summary.footer_length;
    if (out.size() >= options.most_inputs || (out.size() >= 2 && directories > options.most_directory_bytes)) break;
    out.push_back(row);
  }
  return out;
}

UnixNanos nanos(std::chrono::nanoseconds duration) { return duration.count(); }

bool is_over(const Period& period, UnixNanos now, const PlanOptions& options) {
  return period.end_hour() <= hour_of(now - nanos(options.settle));
}

// A factor of four in size makes the next class.
int size_class(const ObjectRow& row) { return std::bit_width(row.summary.size >> 18) / 2; }

// `l0`: oldest first.
bool is_worth_a_merge(const Rows& l0, UnixNanos now, const PlanOptions& options) {
  auto older_than = [&](size_t i, std::chrono::nanoseconds age) {
    return i < l0.size() && l0[i].summary.object.time() <= now - nanos(age);
  };
  const bool in_burst = !l0.empty() && !older_than(l0.size() - 1, options.burst);
  return l0.size() >= options.most_inputs * (in_burst ? 2 : 1) || older_than(options.l0_trigger - 1, options.l0_rest) ||
         (l0.size() >= 2 && older_than(0, options.l0_age));
}

// Of one period: many of one size, or, once it is over, all.
Rows plan_period(const Period& period, const Rows& rows, UnixNanos now, const PlanOptions& options) {
  std::map<int, Rows> by_size;
  for (const ObjectRow& row : rows) by_size[size_class(row)].push_back(row);
  for (auto& [size, alike] : by_size) {
    if (alike.size() >= options.l0_trigger) return oldest(alike, options);
  }
  bool quiet = rows.back().summary.object.time() <= now - nanos(options.settle);  // no late entries are coming in
  if (rows.size() >= 2 && is_over(period, now, options) && (rows.size() >= 4 || quiet)) return oldest(rows, options);
  return {};
}

}  // namespace

std::vector<ObjectRow> plan_merge(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options,
                                  const std::set<Ulid>& excluded, uint64_t ripe) {
  Candidates found = candidates(snapshot, options, excluded, ripe);
  for (const auto& [applied, rows] : found.l0) {
    if (is_worth_a_merge(rows, now, options)) return oldest(rows, options);
  }
  for (const auto& [group, rows] : found.l2) {
    Rows plan = plan_period(group.period, rows, now, options);
    if (!plan.empty()) return plan;
  }
  return {};
}

std::vector<ObjectRow> plan_full_merge(const CatalogSnapshot& snapshot, const PlanOptions& options,
                                       const std::set<Ulid>& excluded, uint64_t ripe) {
  Candidates found = candidates(snapshot, options, excluded, ripe);
  if (!found.l0.empty()) return oldest(found.l0.begin()->second, options);
  for (const auto& [group, rows] : found.l2) {
    if (rows.size() >= 2) return oldest(rows, options);
  }
  return {};
}

CompactionDebt compaction_debt(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options) {
  CompactionDebt debt;
  Candidates found = candidates(snapshot, options, {}, snapshot.last_delete);
  auto add = [&debt](const Rows& rows) {
    for (const ObjectRow& row : rows) {
      ++debt.objects;
      debt.bytes += row.summary.size;
      const UnixNanos made = row.summary.object.time();
      debt.oldest = debt.oldest == 0 ? made : std::min(debt.oldest, made);
    }
  };
  for (const auto& [applied, rows] : found.l0) add(rows);
  for (const auto& [group, rows] : found.l2) {
    if (rows.size() >= 2 && is_over(group.period, now, options)) add(rows);
  }
  return debt;
}

}  // namespace server
