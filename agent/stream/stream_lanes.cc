#include "agent/stream/stream_lanes.h"

#include <algorithm>

namespace agent {

using pipeline::UnixNanos;
using std::chrono::nanoseconds;

namespace {
constexpr uint64_t kMemoryShare = 4;  // of what is available, stages may hold one part when all of it is used
}

StreamLanes::Lane& StreamLanes::make(uint64_t number, const pipeline::StageList& stages, const std::string& origin) {
  Lane& lane = lanes_[number];
  if (!lane.state) lane.state = stages.make_state(), lane.origin = origin;
  return lane;
}

std::vector<uint64_t> StreamLanes::numbers() const {
  std::vector<uint64_t> all;
  for (const auto& [number, lane] : lanes_) all.push_back(number);
  return all;
}

void StreamLanes::note(uint64_t number) {
  Lane& lane = lanes_.at(number);
  const pipeline::StageState& state = *lane.state;
  if (state.open_from() || state.due() || state.resume_at())
    holding_.insert(number);
  else
    holding_.erase(number);
  count(lane, state.held_bytes());
}

void StreamLanes::count(Lane& lane, uint64_t held) {
  if (held == lane.held_bytes) return;
  memory_.add(held);
  memory_.release(lane.held_bytes);
  held_bytes_ += held - lane.held_bytes;
  metrics_.held_bytes.add(static_cast<int64_t>(held) - static_cast<int64_t>(lane.held_bytes));
  lane.held_bytes = held;
}

void StreamLanes::remove(uint64_t number) {
  auto at = lanes_.find(number);
  if (at == lanes_.end()) return;
  count(at->second, 0);
  holding_.erase(number);
  lanes_.erase(at);
}

void StreamLanes::clear() {
  for (uint64_t number : numbers()) remove(number);
}

bool StreamLanes::is_slowed(UnixNanos now) const {
  return std::any_of(holding_.begin(), holding_.end(),
                     [&](uint64_t number) { return lanes_.at(number).state->resume_at() > now; });
}

std::optional<uint64_t> StreamLanes::open_from() const {
  std::optional<uint64_t> lowest;
  for (uint64_t number : holding_)
    if (auto open = lanes_.at(number).state->open_from()) lowest = std::min(lowest.value_or(*open), *open);
  return lowest;
}

std::vector<uint64_t> StreamLanes::due(UnixNanos now) const {
  std::vector<uint64_t> all;
  for (uint64_t number : holding_)
    if (auto due = lanes_.at(number).state->due(); due && *due <= now) all.push_back(number);
  return all;
}

nanoseconds StreamLanes::wait_time(UnixNanos now, nanoseconds longest) const {
  for (uint64_t number : holding_) {
    const pipeline::StageState& state = *lanes_.at(number).state;
    if (auto due = state.due()) longest = std::min(longest, nanoseconds(*due - now));
    if (auto resume = state.resume_at(); resume && *resume > now)
      longest = std::min(longest, nanoseconds(*resume - now));
  }
  return longest;
}

std::optional<uint64_t> StreamLanes::too_large() const {
  if (!memory_.exceeded() || held_bytes_ <= memory_.available_bytes() / kMemoryShare) return std::nullopt;
  auto largest = std::max_element(lanes_.begin(), lanes_.end(), [](const auto& a, const auto& b) {
    return a.second.held_bytes < b.second.held_bytes;
  });
  return largest->first;
}

}  // namespace agent
