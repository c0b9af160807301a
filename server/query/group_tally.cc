#include "server/query/group_tally.h"

#include <ranges>

namespace server {

uint64_t GroupTally::add(const MetadataGroups& groups, const EntrySlice& entries, RowRange rows) {
  return add_rows(groups, entries, std::views::iota(rows.first, rows.last));
}

uint64_t GroupTally::add(const MetadataGroups& groups, const EntrySlice& entries, std::span<const uint32_t> rows) {
  return add_rows(groups, entries, rows);
}

template <class Rows>
uint64_t GroupTally::add_rows(const MetadataGroups& groups, const EntrySlice& entries, const Rows& rows) {
  outcomes_.assign(groups.metadata.size(), {});
  touched_.clear();
  const RangeValues::Input input = values_.input();
  const bool one_group = groups.group_of.empty();
  uint64_t kept = 0;
  UnixNanos begin = 0, last = 0;  // of the bucket under way
  for (const uint32_t row : rows) {
    const UnixNanos time = entries.time(row);
    const uint32_t group = one_group ? 0 : groups.group_of[row];
    if (input == RangeValues::Input::kUnwrapped) {
      const Outcome& known = outcome(groups, group);
      if (known.is_kept) values_.add(known.series, time, known.value), ++kept;
      continue;
    }
    if (touched_.empty() || time > last) {
      kept += flush(groups, begin);
      begin = time;
      last = values_.bucket_last(time);
    }
    Outcome& counted = outcomes_[group];
    if (counted.rows++ == 0) touched_.push_back(group);
    if (input == RangeValues::Input::kBytes) counted.amount += entries.line_size(row);
  }
  return kept + flush(groups, begin);
}

const GroupTally::Outcome& GroupTally::outcome(const MetadataGroups& groups, uint32_t group) {
  Outcome& known = outcomes_[group];
  if (known.is_known) return known;
  known.is_known = true;
  known.is_kept = run_.process(0, {}, MetadataView(groups.metadata[group]));
  if (!known.is_kept) return known;
  if (values_.input() == RangeValues::Input::kUnwrapped) known.value = run_.value();
  known.series = run_.labels();
  return known;
}

// Hands the rows of a bucket on; `time` is in it.
uint64_t GroupTally::flush(const MetadataGroups& groups, UnixNanos time) {
  uint64_t kept = 0;
  for (const uint32_t group : touched_) {
    const Outcome& known = outcome(groups, group);
    Outcome& counted = outcomes_[group];
    if (known.is_kept) {
      kept += counted.rows;
      values_.add_sum(known.series, time,
                      values_.input() == RangeValues::Input::kBytes ? counted.amount : counted.rows);
    }
    counted.rows = counted.amount = 0;
  }
  touched_.clear();
  return kept;
}

}  // namespace server
