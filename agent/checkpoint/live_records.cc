#include "agent/checkpoint/live_records.h"

#include <algorithm>

#include "agent/checkpoint/record_codec.h"

namespace agent {

void LiveRecords::add(const BatchRecord& record) {
  Live live;
  live.acked = record.acked;
  for (const RecordSegment& segment : record.segments) {
    auto at = std::find_if(live.ends.begin(), live.ends.end(), [&](auto& e) { return e.first == segment.file; });
    if (at == live.ends.end()) at = live.ends.insert(at, {segment.file, 0});
    for (const LineRange& range : segment.ranges) at->second = std::max(at->second, range.end);
    uint64_t key = labels_key(*segment.labels);
    if (std::find(live.labels.begin(), live.labels.end(), key) == live.labels.end()) live.labels.push_back(key);
  }
  records_.insert_or_assign(record.number, std::move(live));
}

void LiveRecords::ack(BatchNumber number) {
  if (auto at = records_.find(number); at != records_.end()) at->second.acked = true;
}

void LiveRecords::pass(FileId file, uint64_t position) { positions_[file] = position; }

void LiveRecords::forget(FileId file) {
  positions_.erase(file);
  forgotten_.insert(file);
}

bool LiveRecords::passed(const Live& live) const {
  return std::all_of(live.ends.begin(), live.ends.end(), [&](auto& end) {
    if (forgotten_.contains(end.first)) return true;
    const uint64_t* position = positions_.find(end.first);
    return position != nullptr && *position >= end.second;
  });
}

std::vector<BatchNumber> LiveRecords::take_finished() {
  std::vector<BatchNumber> finished;
  std::erase_if(records_, [&](auto& entry) {
    bool over = entry.second.acked && passed(entry.second);
    if (over) finished.push_back(entry.first);
    return over;
  });
  if (!forgotten_.empty())
    std::erase_if(forgotten_, [&](FileId file) {
      return std::none_of(records_.begin(), records_.end(), [&](auto& entry) {
        return std::any_of(entry.second.ends.begin(), entry.second.ends.end(),
                           [&](auto& end) { return end.first == file; });
      });
    });
  return finished;
}

void LiveRecords::collect_labels(std::unordered_set<uint64_t>& keys) const {
  for (auto& [number, live] : records_) keys.insert(live.labels.begin(), live.labels.end());
}

}  // namespace agent
