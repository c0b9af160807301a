#include "server/compact/merge_plan.h"

#include <algorithm>
#include <bit>
#include <map>

#include "server/compact/period.h"

namespace server {

namespace {

using Rows = std::vector<ObjectRow>;

struct Candidates {
  Rows l0;                    // oldest first, as all below
  std::map<Period, Rows> l2;  // below the target
};

Candidates candidates(const CatalogSnapshot& snapshot, const PlanOptions& options, const std::set<Ulid>& excluded) {
  Candidates out;
  for (const ObjectRow& row : snapshot.objects) {  // in order of their ids
    if (excluded.contains(row.summary.object)) continue;
    if (row.summary.level == 0) {
      out.l0.push_back(row);
    } else if (row.summary.size < options.target_bytes) {
      out.l2[common_period(row.summary.min_time, row.summary.max_time)].push_back(row);
    }
  }
  return out;
}

Rows oldest(Rows rows, const PlanOptions& options) {
  if (rows.size() > options.most_inputs) rows.resize(options.most_inputs);
  return rows;
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
  return l0.size() >= options.most_inputs || older_than(options.l0_trigger - 1, options.l0_rest) ||
         (l0.size() >= 2 && older_than(0, options.l0_age));
}

// Of one period: many of one size, or, once it is over, all.
Rows plan_period(const Period& period, const Rows& rows, UnixNanos now, const PlanOptions& options) {
  std::map<int, Rows> by_size;
  for (const ObjectRow& row : rows) by_size[size_class(row)].push_back(row);
  for (auto& [size, alike] : by_size) {
    if (alike.size() >= options.l0_trigger) return oldest(std::move(alike), options);
  }
  bool quiet = rows.back().summary.object.time() <= now - nanos(options.settle);  // no late entries are coming in
  if (rows.size() >= 2 && is_over(period, now, options) && (rows.size() >= 4 || quiet)) return oldest(rows, options);
  return {};
}

}  // namespace

std::vector<ObjectRow> plan_merge(const CatalogSnapshot& snapshot, UnixNanos now, const PlanOptions& options,
                                  const std::set<Ulid>& excluded) {
  Candidates found = candidates(snapshot, options, excluded);
  if (is_worth_a_merge(found.l0, now, options)) return oldest(std::move(found.l0), options);
  for (const auto& [period, rows] : found.l2) {
    Rows plan = plan_period(period, rows, now, options);
    if (!plan.empty()) return plan;
  }
  return {};
}

std::vector<ObjectRow> plan_full_merge(const CatalogSnapshot& snapshot, const PlanOptions& options,
                                       const std::set<Ulid>& excluded) {
  Candidates found = candidates(snapshot, options, excluded);
  if (!found.l0.empty()) return oldest(std::move(found.l0), options);
  for (auto& [period, rows] : found.l2) {
    if (rows.size() >= 2) return oldest(std::move(rows), options);
  }
  return {};
}

}  // namespace server
