#include "server/ingest/batch_ranges.h"

#include <algorithm>

namespace server {

void BatchRanges::add(uint64_t first, uint64_t last) {
  auto next = ranges_.upper_bound(first);
  if (next != ranges_.begin()) {
    auto before = std::prev(next);
    if (before->second == UINT64_MAX || before->second + 1 >= first) {  // overlaps or touches
      first = before->first;
      last = std::max(last, before->second);
      ranges_.erase(before);
    }
  }
  while (next != ranges_.end() && (last == UINT64_MAX || next->first <= last + 1)) {
    last = std::max(last, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace(first, last);
}

bool BatchRanges::contains(uint64_t seq) const {
  auto after = ranges_.upper_bound(seq);
  return after != ranges_.begin() && std::prev(after)->second >= seq;
}

}  // namespace server
