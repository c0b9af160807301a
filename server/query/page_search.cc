#include "server/query/page_search.h"

#include <algorithm>

namespace server {

namespace {

bool has_any_label(const ObjectReader& object, uint32_t stream, const std::vector<std::string>& names) {
  const StreamInfo& info = object.streams()[stream];
  for (uint32_t i = 0; i < info.label_count; ++i)
    if (std::find(names.begin(), names.end(), object.label(info, i).first) != names.end()) return true;
  return false;
}

}  // namespace

void PageSearch::begin_object(const ObjectReader* object) {
  implied_ = object ? pipeline_.implied() : nullptr;
  if (!implied_) return;
  const auto& names = object->metadata_names();
  if (std::any_of(names.begin(), names.end(), [this](const auto& name) { return implied_->may_come_from(name); }))
    implied_ = nullptr;
}

bool PageSearch::may_match(std::string_view text, const StoredPart& stored, uint32_t page) const {
  if (!pipeline_.leading().may_match(text)) return false;
  if (!implied_ || implied_->may_keep_any(text)) return true;
  const auto runs = stored.object->runs(page);
  return std::any_of(runs.begin(), runs.end(), [&](const PageRun& run) {
    return stored.streams.contains(run.stream) && has_any_label(*stored.object, run.stream, implied_->labels());
  });
}

bool PageSearch::select(const LabelSet& stream, const EntrySlice& entries, RowRange range,
                        std::vector<uint32_t>& rows) const {
  rows.clear();
  const auto& leading = pipeline_.leading();
  const bool by_implied = leading.empty() && implied_ && implied_->applies_to(stream);
  if (leading.empty() && !by_implied) return true;
  const uint32_t begin = entries.offsets[range.first], end = entries.offsets[range.last];
  const auto ends = entries.offsets.subspan(range.first + 1, range.last - range.first);
  const std::string_view text(entries.text, end);
  by_implied ? implied_->select(text, ends, rows, begin) : leading.select(text, ends, rows, begin);
  for (uint32_t& row : rows) row += range.first;
  return false;
}

}  // namespace server
