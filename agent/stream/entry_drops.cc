#include "agent/stream/entry_drops.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace agent {

void EntryDrops::begin(uint64_t number) {
  first_ = number;
  sizes_.clear();
}

void EntryDrops::add_entry(size_t bytes) {
  sizes_.push_back(static_cast<uint32_t>(std::min<size_t>(bytes, UINT32_MAX)));
}

EntryVolume EntryDrops::volume_of(const pipeline::Batch& batch) const {
  EntryVolume volume;
  for (size_t row = 0; row < batch.size(); row++) {
    if (row > 0 && batch.origin_begin[row] == batch.origin_begin[row - 1]) continue;  // made of the same ones
    for (const pipeline::ByteRange& origin : batch.origins_of(row)) {
      const uint64_t end = std::min(origin.end, first_ + sizes_.size());
      for (uint64_t number = std::max(origin.begin, first_); number < end; number++)
        volume.add({1, sizes_[number - first_]});
    }
  }
  return volume;
}

void EntryDrops::tell(const std::string& origin) {
  for (const pipeline::DropCounts::Count& count : counts.counts())
    if (count.lines > 0) drop(origin, count.reason, {count.lines, count.bytes});
  metrics_.add(counts);
}

void EntryDrops::tell(const std::string& origin, const EntryVolume& before, const pipeline::Batch& batch) {
  const EntryVolume kept = volume_of(batch);
  EntryVolume left{before.entries - std::min(before.entries, kept.entries),
                   before.bytes - std::min(before.bytes, kept.bytes)};
  uint64_t lines = counts.lines();
  if (lines == 0) drop(origin, "removed", left);  // by a stage that does not count
  for (const pipeline::DropCounts::Count& count : counts.counts()) {
    if (count.lines == 0) continue;
    const EntryVolume part{left.entries * count.lines / lines, left.bytes * count.lines / lines};
    drop(origin, count.reason, part);
    left.entries -= part.entries, left.bytes -= part.bytes;
    lines -= count.lines;
  }
  metrics_.add(counts);
}

void EntryDrops::drop(const std::string& origin, std::string_view reason, const EntryVolume& volume) {
  if (volume == EntryVolume()) return;
  account_.drop(
      origin,
      {reason == kRelabel ? "relabel:dropped by the relabel rules" : pipeline::concat("stages:", reason), volume, {}},
      first_ + sizes_.size());
}

}  // namespace agent
