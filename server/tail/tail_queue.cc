#include "server/tail/tail_queue.h"

#include <algorithm>
#include <limits>

namespace server {

using pipeline::UnixNanos;

namespace {

uint64_t cost_of(const TailEntry& entry) { return entry.text.size() + sizeof(TailEntry); }

}  // namespace

void TailQueue::push_history(std::vector<TailEntry> entries) {
  for (TailEntry& entry : entries) {
    bytes_ += cost_of(entry);
    history_.push_back(std::move(entry));
  }
}

bool TailQueue::push(TailEntry entry) {
  const uint64_t cost = cost_of(entry);
  if (bytes_ + cost > max_bytes_) {
    drop(entry.time, std::string(entry.labels()));
    return false;
  }
  bytes_ += cost;
  waiting_.push_back({std::move(entry), ++last_number_});
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  return true;
}

void TailQueue::drop(UnixNanos time, std::string labels) {
  dropped_.push_back({time, std::move(labels)});
  if (dropped_.size() > kMaxRemembered) dropped_.pop_front();
}

UnixNanos TailQueue::next_time() const {
  return history_.empty() ? waiting_.front().entry.time : std::numeric_limits<UnixNanos>::min();
}

std::vector<TailEntry> TailQueue::take(UnixNanos until) {
  std::vector<TailEntry> out;
  size_t bytes = 0;
  auto room = [&] { return out.size() < kMaxFrameEntries && bytes < kMaxFrameBytes; };
  auto add = [&](TailEntry& entry) {
    bytes += entry.text.size();
    bytes_ -= cost_of(entry);
    out.push_back(std::move(entry));
  };
  for (; !history_.empty() && room(); history_.pop_front()) add(history_.front());
  while (history_.empty() && !waiting_.empty() && room() && waiting_.front().entry.time < until) {
    std::pop_heap(waiting_.begin(), waiting_.end(), later);
    add(waiting_.back().entry);
    waiting_.pop_back();
  }
  return out;
}

std::vector<DroppedEntry> TailQueue::take_dropped() {
  std::vector<DroppedEntry> out(std::make_move_iterator(dropped_.begin()), std::make_move_iterator(dropped_.end()));
  dropped_.clear();
  return out;
}

}  // namespace server
