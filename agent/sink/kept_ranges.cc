#include "agent/sink/kept_ranges.h"

#include <algorithm>

namespace agent {

using pipeline::ByteRange;

namespace {
// Sorted; those that touch or overlap (records of several tenants name the same lines) become one.
std::vector<ByteRange> apart(std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
  std::vector<ByteRange> out;
  for (const ByteRange& range : ranges) {
    if (out.empty() || range.begin > out.back().end)
      out.push_back(range);
    else
      out.back().end = std::max(out.back().end, range.end);
  }
  return out;
}
}  // namespace

KeptRanges::KeptRanges(const SinkResume& resume) {
  for (auto& [file, position] : resume.positions) files_[file].position_ = position.position;
  for (const BatchRecord& record : resume.records)
    for (const RecordSegment& segment : record.segments)
      for (const LineRange& range : segment.ranges) {
        OfFile& kept = files_[segment.file];
        if (!kept.ranges_) kept.ranges_ = std::make_unique<std::vector<ByteRange>>();
        kept.ranges_->push_back({range.begin, range.end});
      }
  files_.for_each([](FileId, OfFile& kept) {
    if (kept.ranges_) *kept.ranges_ = apart(std::move(*kept.ranges_));
  });
}

uint64_t KeptRanges::OfFile::end() const { return ranges_ ? std::max(position_, ranges_->back().end) : position_; }

bool KeptRanges::OfFile::has(const ByteRange& first) const {
  if (first.begin < position_) return true;
  if (!ranges_) return false;
  auto after = std::upper_bound(ranges_->begin(), ranges_->end(), first.begin,
                                [](uint64_t begin, const ByteRange& range) { return begin < range.begin; });
  return after != ranges_->begin() && first.begin < std::prev(after)->end;
}

bool KeptRanges::OfFile::has_all(std::span<const ByteRange> origins) const {
  return std::all_of(origins.begin(), origins.end(), [&](const ByteRange& origin) { return has(origin); });
}

const KeptRanges::OfFile* KeptRanges::of(FileId file) const { return files_.find(file); }

}  // namespace agent
