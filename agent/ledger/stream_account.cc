#include "agent/ledger/stream_account.h"

#include <algorithm>

#include "agent/checkpoint/loss_ledger.h"

namespace agent {

namespace {
constexpr uint64_t kSpanBytes = 64 << 10;  // so much of one origin is told together

// The bytes of `entries` of `all`.
uint64_t share(uint64_t bytes, uint64_t entries, uint64_t all) {
  if (entries >= all) return bytes;
  return static_cast<uint64_t>(static_cast<double>(bytes) * static_cast<double>(entries) / static_cast<double>(all));
}

EntryVolume at_most(const EntryVolume& a, const EntryVolume& b) {
  return {std::min(a.entries, b.entries), std::min(a.bytes, b.bytes)};
}
EntryVolume less(const EntryVolume& a, const EntryVolume& b) {
  return {a.entries - std::min(a.entries, b.entries), a.bytes - std::min(a.bytes, b.bytes)};
}
EntryVolume sum(const std::vector<DroppedEntries>& dropped) {
  EntryVolume all;
  for (const DroppedEntries& d : dropped) all.add(d.volume);
  return all;
}
}  // namespace

void StreamAccount::Sums::add(const Sums& more) {
  received.add(more.received);
  for (const DroppedEntries& d : more.dropped) add_dropped(dropped, d);
}

StreamAccount::OfOrigin& StreamAccount::of(const std::string& origin) {
  OfOrigin& found = origins_[origin];
  found.heard = next_;
  if (origins_.size() > kMostOrigins) join_others(origin);
  return found;
}

void StreamAccount::join_others(const std::string& but) {
  auto first = origins_.end();
  for (auto at = origins_.begin(); at != origins_.end(); ++at)
    if (!at->first.empty() && at->first != kOthers && at->first != but &&
        (first == origins_.end() || at->second.heard < first->second.heard))
      first = at;
  OfOrigin& others = origins_[std::string(kOthers)];
  for (auto& [sink, of_sink] : first->second.sinks) {
    OfSink& sum = others.sinks[sink];
    sum.add(of_sink);
    sum.passed.add(of_sink.passed);
  }
  for (Span& span : spans_)
    if (span.origin == first->first) span.origin = kOthers;
  for (Volume& volume : volumes_)
    if (volume.origin == first->first) volume.origin = kOthers;
  for (auto& [end, drop] : drops_by_end_)
    if (drop.origin == first->first) drop.origin = kOthers;
  origins_.erase(first);
}

void StreamAccount::change(std::vector<size_t> sinks, Again again) {
  std::lock_guard lock(mutex_);
  sinks_ = std::move(sinks);
  if (std::exchange(again_, again) == again) return;
  volumes_.clear(), drops_by_end_.clear();  // they were of the source before
  for (auto& [origin, from] : origins_)
    for (auto& [sink, sums] : from.sinks) sums.passed = sums;
}

void StreamAccount::receive(const std::string& origin, EntryVolume volume) {
  if (volume.entries == 0) return;
  std::lock_guard lock(mutex_);
  if (!spans_.empty() && spans_.back().origin == origin && spans_.back().bytes + volume.bytes <= kSpanBytes)
    spans_.back().end += volume.entries, spans_.back().bytes += volume.bytes;
  else
    spans_.push_back({next_, next_ + volume.entries, volume.bytes, origin});
  next_ += volume.entries;
  OfOrigin& from = of(origin);
  for (size_t sink : sinks_) from.sinks[sink].received.add(volume);
  if (again_ == Again::kYes) volumes_.push_back({next_, volume, origin, sinks_});
}

void StreamAccount::drop(const std::string& origin, const DroppedEntries& dropped, uint64_t end) {
  std::lock_guard lock(mutex_);
  const bool is_known = origins_.contains(origin);
  const std::string from = is_known ? origin : std::string(kOthers);
  if (!is_known) of(from);
  for (size_t sink : sinks_) note_drop(from, sink, dropped, end);
}

void StreamAccount::note_drop(const std::string& origin, size_t sink, const DroppedEntries& dropped, uint64_t end) {
  add_dropped(origins_[origin].sinks[sink].dropped, dropped);
  if (again_ == Again::kYes) drops_by_end_.emplace(end, Drop{origin, sink, dropped});
}

void StreamAccount::lose(size_t sink, const LostEntries& lost) {
  std::lock_guard lock(mutex_);
  uint64_t seen = 0, told = 0;
  for (const auto& [begin, end] : lost.ranges) {
    auto span = std::partition_point(spans_.begin(), spans_.end(), [&](const Span& s) { return s.end <= begin; });
    for (; span != spans_.end() && span->begin < end; ++span) {
      seen += std::min(end, span->end) - std::max(begin, span->begin);
      const uint64_t gone = share(seen, lost.refused, lost.of) - told;
      told += gone;
      const DroppedEntries dropped{lost.reason, {gone, share(span->bytes, gone, span->end - span->begin)}, lost.detail};
      if (gone > 0) note_drop(span->origin, sink, dropped, std::min(end, span->end));
    }
  }
}

void StreamAccount::settle(uint64_t lowest) {
  std::lock_guard lock(mutex_);
  while (!spans_.empty() && spans_.front().end <= lowest) spans_.pop_front();
}

void StreamAccount::pass(uint64_t end) {
  std::lock_guard lock(mutex_);
  for (; !volumes_.empty() && volumes_.front().end <= end; volumes_.pop_front())
    for (size_t sink : volumes_.front().sinks)
      origins_[volumes_.front().origin].sinks[sink].passed.received.add(volumes_.front().volume);
  const auto above = drops_by_end_.upper_bound(end);
  for (auto at = drops_by_end_.begin(); at != above; ++at)
    add_dropped(origins_[at->second.origin].sinks[at->second.sink].passed.dropped, at->second.dropped);
  drops_by_end_.erase(drops_by_end_.begin(), above);
}

std::vector<StreamLine> StreamAccount::saved_lines(const std::vector<Sink>& sinks) const {
  std::lock_guard lock(mutex_);
  std::vector<StreamLine> all = lines_now(sinks);
  if (again_ == Again::kNo) return all;
  for (StreamLine& line : all) {
    auto sink = std::find_if(sinks.begin(), sinks.end(), [&](const Sink& s) { return s.name == line.sink; });
    const Sums& passed = origins_.find(line.origin)->second.sinks.at(sink->slot).passed;
    line.acked = less(passed.received, sum(passed.dropped));
    line.dropped = passed.dropped;
    line.waiting = less(line.received, passed.received);
  }
  return all;
}

std::vector<StreamLine> StreamAccount::lines(const std::vector<Sink>& sinks) const {
  std::lock_guard lock(mutex_);
  return lines_now(sinks);
}

std::vector<StreamLine> StreamAccount::lines_now(const std::vector<Sink>& sinks) const {
  std::vector<StreamLine> all;
  std::map<std::pair<std::string_view, size_t>, EntryVolume> waiting;
  for (const Span& span : spans_) {
    for (const Sink& sink : sinks) {
      if (sink.position >= span.end) continue;
      const uint64_t entries = span.end - std::max(sink.position, span.begin);
      waiting[{span.origin, sink.slot}].add({entries, share(span.bytes, entries, span.end - span.begin)});
    }
  }
  for (const auto& [origin, from] : origins_) {
    for (const Sink& sink : sinks) {
      auto known = from.sinks.find(sink.slot);
      if (known == from.sinks.end()) continue;
      StreamLine line{origin, sink.name, known->second.received, {}, {}, known->second.dropped};
      const EntryVolume rest = less(line.received, sum(line.dropped));
      line.waiting = at_most(waiting[{origin, sink.slot}], rest);  // what is dropped may not be passed yet
      line.acked = less(rest, line.waiting);
      all.push_back(std::move(line));
    }
  }
  return all;
}

void StreamAccount::resume(const std::vector<StreamLine>& lines, const std::vector<Sink>& sinks) {
  std::lock_guard lock(mutex_);
  for (const StreamLine& line : lines) {
    auto sink = std::find_if(sinks.begin(), sinks.end(), [&](const Sink& s) { return s.name == line.sink; });
    if (sink == sinks.end()) continue;
    OfSink& to = of(line.origin).sinks[sink->slot];
    to.received = line.acked;
    to.received.add(sum(line.dropped));
    to.dropped = line.dropped;
    to.passed = to;
  }
}

}  // namespace agent
