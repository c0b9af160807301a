#include "server/query/shared_streams.h"

#include <algorithm>
#include <tuple>

#include "server/query/stream_sum.h"

namespace server {

using pipeline::Hash128;
using pipeline::UnixNanos;

SharedStreams::SharedStreams(const Selection& selection, size_t most) : selection_(selection) {
  find_crowded_places();
  size_t streams = 0;
  const size_t stored = selection.stored.size();
  for (uint32_t place : places_) streams += place < stored ? selection.stored[place].streams.ordinals.size() : 1;
  rounds_ = (streams + most - 1) / most;
}

void SharedStreams::find_crowded_places() {
  struct Span {
    UnixNanos min, max;
    uint32_t place;
  };
  std::vector<Span> spans;
  const size_t stored = selection_.stored.size();
  spans.reserve(stored + selection_.head.size());
  for (size_t i = 0; i < stored; ++i) {
    const ObjectSummary& summary = selection_.stored[i].object->summary();
    spans.push_back({summary.min_time, summary.max_time, static_cast<uint32_t>(i)});
  }
  for (size_t i = 0; i < selection_.head.size(); ++i) {
    const auto times = selection_.head[i].entries.times;
    spans.push_back({times.front(), times.back(), static_cast<uint32_t>(stored + i)});
  }
  std::sort(spans.begin(), spans.end(), [](const Span& a, const Span& b) { return a.min < b.min; });
  for (size_t begin = 0, end = 0; begin < spans.size(); begin = end) {
    UnixNanos until = spans[begin].max;
    for (end = begin + 1; end < spans.size() && spans[end].min <= until; ++end) until = std::max(until, spans[end].max);
    for (size_t i = begin; end - begin > 1 && i < end; ++i) places_.push_back(spans[i].place);
  }
  std::sort(places_.begin(), places_.end());
}

pipeline::Result<void> SharedStreams::add_members(QueryTurn& turn) {
  constexpr size_t kBetweenBreaths = 8192;  // about a millisecond
  size_t looked_at = 0;
  members_.clear();
  auto add = [this](const Hash128& stream, uint32_t place, uint32_t ordinal) {
    if (stream.high % rounds_ == round_) members_.push_back({stream, place, ordinal});
  };
  const size_t stored = selection_.stored.size();
  for (uint32_t place : places_) {
    if (place >= stored) {
      add(stream_sum(*selection_.head[place - stored].stream), place, 0);
      continue;
    }
    const ObjectReader& object = *selection_.stored[place].object;
    for (uint32_t ordinal : selection_.stored[place].streams.ordinals) {
      add(stream_sum(object, object.streams()[ordinal]), place, ordinal);
      if (++looked_at % kBetweenBreaths == 0) TRY(turn.breathe());
    }
  }
  return {};
}

pipeline::Result<bool> SharedStreams::next_round(std::vector<Group>& groups, QueryTurn& turn) {
  groups.clear();
  if (round_ == rounds_) return false;
  TRY(turn.breathe());
  TRY(add_members(turn));
  ++round_;
  auto key = [](const Member& m) { return std::tie(m.stream.high, m.stream.low, m.place, m.ordinal); };
  std::sort(members_.begin(), members_.end(), [&](const Member& a, const Member& b) { return key(a) < key(b); });
  for (size_t begin = 0, end = 0; begin < members_.size(); begin = end) {
    for (end = begin + 1; end < members_.size() && members_[end].stream == members_[begin].stream;) ++end;
    if (end - begin > 1) groups.emplace_back(members_.data() + begin, end - begin);
  }
  std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
    return std::tie(a[0].place, a[0].ordinal) < std::tie(b[0].place, b[0].ordinal);
  });
  return true;
}

}  // namespace server
