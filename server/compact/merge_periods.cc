#include "server/compact/merge_periods.h"

#include <algorithm>
#include <set>

namespace server {

namespace {

using Reader = std::shared_ptr<const ObjectReader>;

// The hours in which an object has entries; stops beyond `most`. Times are decoded only where a run crosses an hour.
Result<void> add_hours(const Reader& object, size_t most, Damage damage, std::set<int64_t>& hours) {
  std::vector<uint32_t> crossing;
  for (uint32_t page = 0; page < object->pages().size(); ++page) {
    bool crosses = false;
    for (const PageRun& run : object->runs(page)) {
      hours.insert(hour_of(run.min_time));
      crosses |= hour_of(run.min_time) != hour_of(run.max_time);
    }
    if (crosses) crossing.push_back(page);
  }
  PageCursor cursor(object, std::move(crossing));
  while (hours.size() <= most && cursor.next()) {
    auto times = cursor.times();
    if (!times && damage == Damage::kIsLeftOut && times.error().code == pipeline::Errc::kCorrupt) continue;
    TRY(times);
    for (UnixNanos time : *times) hours.insert(hours.end(), hour_of(time));
  }
  return {};
}

}  // namespace

Result<std::vector<Period>> choose_periods(std::span<const Reader> inputs, size_t most, Damage damage) {
  std::set<int64_t> hours;
  for (const Reader& object : inputs) {
    TRY(add_hours(object, most, damage, hours));
    if (hours.size() > most) break;
  }
  std::vector<Period> periods;
  if (hours.size() <= most) {
    for (int64_t hour : hours) periods.push_back({1, hour});
    return periods;
  }
  // Too many hours to know them all: count longer periods by the span.
  int64_t first = kEverything, last = -kEverything;
  for (const Reader& object : inputs) {
    first = std::min(first, hour_of(object->summary().min_time));
    last = std::max(last, hour_of(object->summary().max_time));
  }
  for (int64_t period_hours : kPeriodHours) {
    if (period_hours == 1) continue;
    const int64_t begin = period_of_hour(first, period_hours).number, end = period_of_hour(last, period_hours).number;
    if (static_cast<uint64_t>(end - begin) >= most) continue;
    for (int64_t number = begin; number <= end; ++number) periods.push_back({period_hours, number});
    return periods;
  }
  return std::vector<Period>{{kEverything, 0}};
}

}  // namespace server
