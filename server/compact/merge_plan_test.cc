#include "server/compact/merge_plan.h"

#include <doctest/doctest.h>

#include "server/compact/period.h"

using namespace server;

namespace {

constexpr UnixNanos kMinute = 60'000'000'000, kHour = 60 * kMinute;
constexpr UnixNanos kNow = 480'000 * kHour + 30 * kMinute;

// A row made `age` before now, of entries in [min, max].
ObjectRow row(uint64_t id, int level, UnixNanos age, UnixNanos min, UnixNanos max, uint64_t size = 1 << 20) {
  ObjectRow out;
  out.summary.object = {static_cast<uint64_t>((kNow - age) / 1'000'000) << 16, id};
  out.summary.level = level;
  out.summary.min_time = min;
  out.summary.max_time = max;
  out.summary.size = size;
  return out;
}

std::vector<uint64_t> ids(const std::vector<ObjectRow>& rows) {
  std::vector<uint64_t> out;
  for (const ObjectRow& r : rows) out.push_back(r.summary.object.low);
  return out;
}

CatalogSnapshot snapshot_of(std::vector<ObjectRow> rows) {
  CatalogSnapshot out;
  std::sort(rows.begin(), rows.end(),
            [](const ObjectRow& a, const ObjectRow& b) { return a.summary.object < b.summary.object; });
  out.objects = std::move(rows);
  return out;
}

}  // namespace

TEST_SUITE("server/compact") {
  TEST_CASE("plan: young L0 objects wait until there are enough of them, old ones do not") {
    PlanOptions options;
    std::vector<ObjectRow> rows;
    for (uint64_t i = 0; i < 7; ++i) rows.push_back(row(i, 0, kMinute, kNow, kNow));
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).empty());
    CHECK(plan_full_merge(snapshot_of(rows), options, {}).size() == 7);
    rows.push_back(row(7, 0, kMinute, kNow, kNow));
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).size() == 8);
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {rows[3].summary.object}).empty());
    rows[7] = row(7, 0, 29'000'000'000, kNow, kNow);  // a burst: more will come
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).empty());
    options.most_inputs = 5;
    CHECK(ids(plan_merge(snapshot_of(rows), kNow, options, {})) == std::vector<uint64_t>{0, 1, 2, 3, 4});
    rows.clear();
    for (uint64_t i = 0; i < 9; ++i) rows.push_back(row(i, 0, 1'000'000'000, kNow, kNow));
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).empty());  // while they come by the second, pushes go first
    rows.push_back(row(9, 0, 1'000'000'000, kNow, kNow));
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).size() == 5);

    std::vector<ObjectRow> old = {row(1, 0, 11 * kMinute, kNow, kNow), row(2, 0, kMinute, kNow, kNow)};
    CHECK(ids(plan_merge(snapshot_of(old), kNow, options, {})) == std::vector<uint64_t>{1, 2});
    old.pop_back();
    CHECK(plan_merge(snapshot_of(old), kNow, options, {}).empty());
  }

  TEST_CASE("plan: L2 objects are merged with those of their hour and size, or when their hour is over") {
    PlanOptions options;
    std::vector<ObjectRow> rows;
    for (uint64_t i = 0; i < 7; ++i) rows.push_back(row(i, 2, kMinute, kNow, kNow + 1));
    rows.push_back(row(7, 2, kMinute, kNow, kNow + 1, 100 << 20));
    rows.push_back(row(8, 2, kMinute, kNow - kHour, kNow - kHour));
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).empty());
    rows.push_back(row(9, 2, kMinute, kNow, kNow + 1));
    CHECK(ids(plan_merge(snapshot_of(rows), kNow, options, {})) == std::vector<uint64_t>{0, 1, 2, 3, 4, 5, 6, 9});

    UnixNanos then = kNow - 5 * kHour;
    rows = {row(1, 2, 2 * kHour, then, then, 50 << 20), row(2, 2, 2 * kHour, then, then),
            row(3, 2, 2 * kHour, then, then, 256 << 20)};
    CHECK(ids(plan_merge(snapshot_of(rows), kNow, options, {})) == std::vector<uint64_t>{1, 2});
    rows.push_back(row(4, 2, kMinute, then, then));  // late entries are still coming in
    CHECK(plan_merge(snapshot_of(rows), kNow, options, {}).empty());
    rows.push_back(row(5, 2, kMinute, then, then));
    CHECK(ids(plan_merge(snapshot_of(rows), kNow, options, {})) == std::vector<uint64_t>{1, 2, 4, 5});
    CHECK(plan_full_merge(snapshot_of({row(1, 2, 0, then, then), row(2, 2, 0, kNow, kNow)}), options, {}).empty());
  }

  TEST_CASE("period: the smallest that holds both times") {
    CHECK(common_period(0, kHour - 1) == Period{1, 0});
    CHECK(common_period(-1, -kHour) == Period{1, -1});
    CHECK(common_period(0, kHour) == Period{24, 0});
    CHECK(common_period(23 * kHour, 24 * kHour) == Period{720, 0});
    CHECK(common_period(-1, 0) == Period{kEverything, 0});
    CHECK(common_period(INT64_MIN, INT64_MAX) == Period{kEverything, 0});
    CHECK(Period{24, 3}.end_hour() == 96);
  }
}
