#include "server/query/entry_collector.h"

#include <algorithm>

#include "pipeline/base/xxh64.h"

namespace server {

uint64_t loki_stream_order(const LabelSet& stream) {
  std::string text;
  for (const auto& [name, value] : stream.labels()) text.append(name).append(1, '\xff').append(value).append(1, '\xff');
  return pipeline::xxh64(text);
}

bool EntryCollector::before(const CollectedEntry& a, const CollectedEntry& b) const {
  bool backward = direction_ == Direction::kBackward;
  if (a.time != b.time) return backward ? a.time > b.time : a.time < b.time;
  if (a.stream_order != b.stream_order) return a.stream_order < b.stream_order;
  if (int order = a.stream.compare(b.stream)) return order < 0;
  return backward ? a.place > b.place : a.place < b.place;
}

void EntryCollector::offer(CollectedEntry entry) {
  auto order = [this](const CollectedEntry& a, const CollectedEntry& b) { return before(a, b); };
  bool full = heap_.size() >= limit_;
  if (full && !before(entry, heap_.front())) return;
  if (!ids_.insert(entry.id).second) {
    ++duplicates_;
    return;
  }
  if (full) {
    std::pop_heap(heap_.begin(), heap_.end(), order);
    ids_.erase(heap_.back().id);
    line_bytes_ -= heap_.back().line.size();
    heap_.pop_back();
  }
  line_bytes_ += entry.line.size();
  heap_.push_back(std::move(entry));
  std::push_heap(heap_.begin(), heap_.end(), order);
}

void EntryCollector::take(EntryCollector&& other) {
  duplicates_ += other.duplicates_;
  for (CollectedEntry& entry : other.heap_) offer(std::move(entry));
  other.heap_.clear();
}

std::vector<CollectedEntry> EntryCollector::finish() {
  std::sort(heap_.begin(), heap_.end(),
            [this](const CollectedEntry& a, const CollectedEntry& b) { return before(a, b); });
  if (interval_.count() > 0) {
    size_t kept = 0;
    pipeline::UnixNanos last = 0;
    for (CollectedEntry& entry : heap_) {
      pipeline::UnixNanos distance = direction_ == Direction::kBackward ? last - entry.time : entry.time - last;
      if (kept > 0 && distance < interval_.count()) continue;
      last = entry.time;
      if (&heap_[kept] != &entry) heap_[kept] = std::move(entry);
      ++kept;
    }
    heap_.resize(kept);
  }
  return std::move(heap_);
}

}  // namespace server
