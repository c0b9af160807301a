#include "server/query/hidden_rows.h"

namespace server {

using pipeline::Result;

Eraser& HiddenRows::eraser_of(size_t part) {
  auto found = erasers_.find(part);
  if (found != erasers_.end()) return found->second;
  Eraser eraser(selection_.erasures, selection_.stored[part].object->summary().deletes_applied);
  return erasers_.emplace(part, std::move(eraser)).first->second;
}

void HiddenRows::begin_stream(size_t part, uint32_t stream) {
  const ObjectReader& object = *selection_.stored[part].object;
  labels_ = object.labels(object.streams()[stream]);
  eraser_of(part).begin_stream(labels_);
}

bool HiddenRows::may_hide(size_t part, uint32_t page) {
  const StoredPart& stored = selection_.stored[part];
  if (!stored.hides) return false;
  for (const PageRun& run : stored.object->runs(page)) {
    if (!stored.streams.contains(run.stream)) continue;
    begin_stream(part, run.stream);
    if (eraser_of(part).touches(run.min_time, run.max_time)) return true;
  }
  return false;
}

Result<std::span<const uint32_t>> HiddenRows::of_page(size_t part, PageCursor& cursor) {
  rows_.clear();
  const StoredPart& stored = selection_.stored[part];
  if (!stored.hides) return std::span<const uint32_t>();
  Eraser& eraser = eraser_of(part);
  for (const PageRun& run : stored.object->runs(cursor.page())) {
    if (!stored.streams.contains(run.stream)) continue;
    begin_stream(part, run.stream);
    if (!eraser.touches(run.min_time, run.max_time)) continue;
    EntrySlice entries;
    if (eraser.needs_lines()) {
      TRY_LET(entries, cursor.entries());
    } else {
      TRY_LET(entries.times, cursor.times());
    }
    for (uint32_t row = run.first_row; row < run.first_row + run.rows; ++row) {
      if (eraser.erases(entries, row)) rows_.push_back(row);
    }
  }
  return std::span<const uint32_t>(rows_);
}

bool HiddenRows::hides(size_t part, uint32_t stream, const EntrySlice& entry) {
  if (!selection_.stored[part].hides) return false;
  begin_stream(part, stream);
  return eraser_of(part).erases(entry, 0);
}

}  // namespace server
