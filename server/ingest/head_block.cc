#include "server/ingest/head_block.h"

#include <algorithm>
#include <cstring>

#include "pipeline/base/invariant.h"

namespace server {

HeadBlock::HeadBlock()
    : times_(new pipeline::UnixNanos[kRows]),  // not zeroed: pages are touched when used
      offsets_(new uint32_t[kRows + 1]),
      metadata_offsets_(new uint32_t[kRows + 1]),
      text_(new char[kTextBytes]),
      metadata_(new char[kMetadataBytes]) {
  offsets_[0] = metadata_offsets_[0] = 0;
}

bool HeadBlock::has_room_for(const EntrySlice& entries) const {
  return entries.size() <= kRows - rows_ && entries.line_bytes() <= kTextBytes - offsets_[rows_] &&
         entries.metadata_bytes() <= kMetadataBytes - metadata_offsets_[rows_];
}

uint32_t HeadBlock::append(const EntrySlice& entries) {
  INVARIANT(has_room_for(entries));
  size_t first = rows_, n = entries.size();
  std::copy(entries.times.begin(), entries.times.end(), times_.get() + first);
  std::memcpy(text_.get() + offsets_[first], entries.text + entries.offsets[0], entries.line_bytes());
  for (size_t i = 1; i <= n; ++i) offsets_[first + i] = offsets_[first] + (entries.offsets[i] - entries.offsets[0]);
  if (entries.metadata_bytes() > 0) {
    std::memcpy(metadata_.get() + metadata_offsets_[first], entries.metadata_text + entries.metadata_offsets[0],
                entries.metadata_bytes());
  }
  for (size_t i = 1; i <= n; ++i)
    metadata_offsets_[first + i] =
        metadata_offsets_[first] +
        (entries.has_metadata() ? entries.metadata_offsets[i] - entries.metadata_offsets[0] : 0);
  rows_ += n;
  return static_cast<uint32_t>(first);
}

EntrySlice HeadBlock::entries() const {
  return {.times = {times_.get(), kRows},
          .offsets = {offsets_.get(), kRows + 1},
          .text = text_.get(),
          .metadata_offsets = {metadata_offsets_.get(), kRows + 1},
          .metadata_text = metadata_.get()};
}

}  // namespace server
