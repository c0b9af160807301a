#include "pipeline/match/byte_scanner.h"

#include <utility>
#include <vector>

namespace pipeline {

namespace {

using Ranges = std::vector<std::pair<uint8_t, uint8_t>>;  // first and last

Ranges ranges_of(const std::bitset<256>& set) {
  Ranges out;
  for (size_t c = 0; c < 256; ++c) {
    if (!set[c]) continue;
    if (out.empty() || out.back().second + 1u != c) out.emplace_back(static_cast<uint8_t>(c), static_cast<uint8_t>(c));
    out.back().second = static_cast<uint8_t>(c);
  }
  return out;
}

}  // namespace

ByteScanner::ByteScanner(const std::bitset<256>& over) : everything_(over.all()) {
  for (size_t c = 0; c < 256; ++c) over_[c] = over[c];
  Ranges run = ranges_of(over), stop = ranges_of(~over);
  bool by_run = run.size() < stop.size();
  const Ranges& ranges = by_run ? run : stop;
  if (ranges.size() > kMaxRanges) return;
  flip_ = by_run ? 0xffff : 0;
  range_count_ = ranges.size();
  for (size_t r = 0; r < ranges.size(); ++r) {
    first_[r] = _mm_set1_epi8(static_cast<char>(ranges[r].first));
    width_[r] = _mm_set1_epi8(static_cast<char>(ranges[r].second - ranges[r].first));
  }
}

}  // namespace pipeline
