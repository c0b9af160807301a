#include "agent/sink/kept_ranges.h"

#include <algorithm>

namespace agent {

using pipeline::ByteRange;

KeptRanges::KeptRanges(const SinkResume& resume) {
  for (auto& [file, position] : resume.positions) files_[file].position_ = files_[file].end_ = position.position;
  for (const BatchRecord& record : resume.records)
    for (const RecordSegment& segment : record.segments)
      for (const LineRange& range : segment.ranges) {
        OfFile& kept = files_[segment.file];
        kept.ranges_.push_back({range.begin, range.end});
        kept.end_ = std::max(kept.end_, range.end);
      }
  for (auto& [file, kept] : files_)
    std::sort(kept.ranges_.begin(), kept.ranges_.end(),
              [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
}

bool KeptRanges::OfFile::has(const ByteRange& first) const {
  if (first.begin < position_) return true;
  if (first.begin >= end_) return false;
  auto after = std::upper_bound(ranges_.begin(), ranges_.end(), first.begin,
                                [](uint64_t begin, const ByteRange& range) { return begin < range.begin; });
  return after != ranges_.begin() && first.begin < std::prev(after)->end;
}

const KeptRanges::OfFile* KeptRanges::of(FileId file) const {
  auto at = files_.find(file);
  return at == files_.end() ? nullptr : &at->second;
}

}  // namespace agent
