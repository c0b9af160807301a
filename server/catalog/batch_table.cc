#include "server/catalog/batch_table.h"

#include <algorithm>
#include <limits>

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Step;

Result<BatchTable> BatchTable::open(pipeline::Database& db) {
  TRY_LET(auto use, db.prepare("INSERT INTO producer VALUES (?1, ?2, ?3, ?4) "
                               "ON CONFLICT DO UPDATE SET used = max(used, excluded.used)"));
  // Ranges that overlap or touch [?4, ?5].
  TRY_LET(auto take, db.prepare("DELETE FROM batch_range WHERE tenant = ?1 AND producer = ?2 AND epoch = ?3 "
                                "AND first <= ?5 + 1 AND last >= ?4 - 1 RETURNING first, last"));
  TRY_LET(auto insert, db.prepare("INSERT INTO batch_range VALUES (?1, ?2, ?3, ?4, ?5)"));
  TRY_LET(auto all, db.prepare("SELECT tenant, producer, epoch, first, last FROM batch_range"));
  TRY_LET(auto forget_ranges, db.prepare("DELETE FROM batch_range WHERE (tenant, producer, epoch) IN "
                                         "(SELECT tenant, producer, epoch FROM producer WHERE used < ?1)"));
  TRY_LET(auto forget_producers, db.prepare("DELETE FROM producer WHERE used < ?1 RETURNING 1"));
  return BatchTable(std::move(use), std::move(take), std::move(insert), std::move(all), std::move(forget_ranges),
                    std::move(forget_producers));
}

Result<void> BatchTable::add(const ProducerRange& range, UnixNanos now) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max() - 1);
  // No agent gets as far. Whoever names such numbers is not known by them again; but nothing of others fails for it.
  if (range.epoch > kMax || range.last > kMax || range.first > range.last) return {};
  TRY(use_.run(range.tenant, range.producer, range.epoch, now));
  auto first = static_cast<int64_t>(range.first), last = static_cast<int64_t>(range.last);
  int64_t joined_first = first, joined_last = last;
  TRY(take_.bind_all(range.tenant, range.producer, range.epoch, first, last));
  for (;;) {
    TRY_LET(Step step, take_.step());
    if (step == Step::kDone) break;
    joined_first = std::min(joined_first, take_.integer(0));
    joined_last = std::max(joined_last, take_.integer(1));
  }
  return insert_.run(range.tenant, range.producer, range.epoch, joined_first, joined_last);
}

Result<std::vector<ProducerRange>> BatchTable::all() {
  std::vector<ProducerRange> out;
  all_.reset();
  for (;;) {
    TRY_LET(Step step, all_.step());
    if (step == Step::kDone) return out;
    ProducerRange range;
    range.tenant = all_.text(0);
    range.producer = all_.text(1);
    range.epoch = static_cast<uint64_t>(all_.integer(2));
    range.first = static_cast<uint64_t>(all_.integer(3));
    range.last = static_cast<uint64_t>(all_.integer(4));
    out.push_back(std::move(range));
  }
}

Result<uint64_t> BatchTable::forget(UnixNanos used_before) {
  TRY(forget_ranges_.run(used_before));
  TRY(forget_producers_.bind_all(used_before));
  uint64_t forgotten = 0;
  for (;;) {
    TRY_LET(Step step, forget_producers_.step());
    if (step == Step::kDone) return forgotten;
    ++forgotten;
  }
}

}  // namespace server
