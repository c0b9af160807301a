// BatchRanges: an exact set of batch numbers of one producer epoch, kept as ranges: agents number without gaps, so it
// is nearly always one.
#pragma once

#include <cstdint>
#include <map>

namespace server {

class BatchRanges {
 public:
  void add(uint64_t first, uint64_t last);  // both ends count
  bool contains(uint64_t seq) const;
  bool empty() const { return ranges_.empty(); }
  const std::map<uint64_t, uint64_t>& ranges() const { return ranges_; }  // first -> last, neither touching the next

 private:
  std::map<uint64_t, uint64_t> ranges_;
};

}  // namespace server
