#include "server/logql/range_sums.h"

#include <algorithm>
#include <unordered_map>

#include "pipeline/base/invariant.h"

namespace server {
namespace {

// The first step whose instant is not below `time`; may be out of the grid on both sides.
int64_t first_step_at(const StepGrid& grid, int64_t time) {
  const int64_t distance = time - grid.start;
  if (distance <= 0) return 0;
  return distance / grid.step_ns + (distance % grid.step_ns != 0);
}

}  // namespace

EntryTimes entry_times(const LogRange& range, const StepGrid& grid) {
  return {grid.start - range.offset_ns - range.range_ns + 1, grid.at(grid.count - 1) - range.offset_ns + 1};
}

RangeSums::RangeSums(RangeOp op, const LogRange& range, const StepGrid& grid)
    : op_(op), grid_(grid), range_ns_(range.range_ns), offset_ns_(range.offset_ns) {
  INVARIANT(op == RangeOp::kCountOverTime || op == RangeOp::kRate || counts_bytes());
}

// Window i holds an entry at t when T - range < t + offset <= T, so T is in [t + offset, t + offset + range).
RangeSums::Window RangeSums::windows_of(UnixNanos time) const {
  const int64_t seen = time + offset_ns_;
  const int64_t count = grid_.count;
  if (seen + range_ns_ <= grid_.start) return {0, 0};
  const int64_t first = std::min(first_step_at(grid_, seen), count);
  const int64_t last = std::min(first_step_at(grid_, seen + range_ns_), count);
  return {static_cast<uint32_t>(first), static_cast<uint32_t>(last)};
}

RangeSums::Steps& RangeSums::steps_of(LabelResults::Id series) {
  if (series >= series_.size()) series_.resize(series + 1);
  return series_[series];
}

void RangeSums::add_to(Steps& steps, Window window, int64_t entries, int64_t bytes) {
  if (window.first >= window.last) return;
  // One past the last window takes the sum back; past the grid nobody looks.
  const uint32_t end = std::min(window.last, grid_.count - 1) + 1;
  if (steps.entries.empty()) {
    steps.first = window.first;
  } else if (window.first < steps.first) {
    const size_t more = steps.first - window.first;
    steps.entries.insert(steps.entries.begin(), more, 0);
    if (counts_bytes()) steps.bytes.insert(steps.bytes.begin(), more, 0);
    steps.first = window.first;
  }
  if (steps.entries.size() < end - steps.first) {
    steps.entries.resize(end - steps.first);
    if (counts_bytes()) steps.bytes.resize(end - steps.first);
  }
  steps.entries[window.first - steps.first] += entries;
  if (window.last < grid_.count) steps.entries[window.last - steps.first] -= entries;
  if (!counts_bytes()) return;
  steps.bytes[window.first - steps.first] += bytes;
  if (window.last < grid_.count) steps.bytes[window.last - steps.first] -= bytes;
}

void RangeSums::add(LabelResults::Id series, UnixNanos time, uint64_t line_bytes) {
  const Window window = windows_of(time);
  if (window.first >= window.last) return;
  add_to(steps_of(series), window, 1, static_cast<int64_t>(line_bytes));
}

void RangeSums::add_sorted(LabelResults::Id series, std::span<const UnixNanos> times) { add_sorted(series, times, {}); }

// Entries between two borders are in the same windows. A border is where an entry leaves or enters one: just above
// T - offset, or just above T - offset - range, for some T.
void RangeSums::add_sorted(LabelResults::Id series, std::span<const UnixNanos> times,
                           std::span<const uint32_t> offsets) {
  if (times.empty()) return;
  Steps* steps = nullptr;
  size_t begin = 0;
  while (begin < times.size()) {
    const Window window = windows_of(times[begin]);
    // The windows stay the same as long as neither end moves: up to T(first) - offset and T(last) - offset - range.
    int64_t up_to = INT64_MAX;
    if (window.first < grid_.count) up_to = std::min(up_to, grid_.at(window.first) - offset_ns_);
    if (window.last < grid_.count) up_to = std::min(up_to, grid_.at(window.last) - offset_ns_ - range_ns_);
    // Gallop: pages usually lie within few windows.
    size_t step = 1, end = begin + 1;
    while (end < times.size() && times[end] <= up_to) {
      end = std::min(end + step, times.size());
      step *= 2;
    }
    end = static_cast<size_t>(std::upper_bound(times.begin() + static_cast<std::ptrdiff_t>(begin),
                                               times.begin() + static_cast<std::ptrdiff_t>(end), up_to) -
                              times.begin());
    if (window.first < window.last) {
      if (!steps) steps = &steps_of(series);
      const int64_t bytes = offsets.empty() ? 0 : static_cast<int64_t>(offsets[end]) - offsets[begin];
      add_to(*steps, window, static_cast<int64_t>(end - begin), bytes);
    }
    begin = end;
  }
}

Result<Matrix> RangeSums::finish(std::span<const Part> parts) {
  Matrix out;
  if (parts.empty()) return out;
  const RangeSums& first = *parts.front().sums;
  struct Joined {
    LabelSet labels;
    std::vector<std::pair<const Part*, LabelResults::Id>> sources;
  };
  std::vector<Joined> joined;
  std::unordered_map<std::string, size_t> by_labels;
  for (const Part& part : parts) {
    for (LabelResults::Id id = 0; id < part.sums->series_.size(); ++id) {
      if (part.sums->series_[id].entries.empty()) continue;
      const ResultLabels& labels = part.labels->at(id);
      LabelSet all = labels.all();
      if (labels.has_error && !labels.preserves_error)
        return pipeline::fail(pipeline::Errc::kInvalid, pipeline_error_text(all));
      auto [at, is_new] = by_labels.try_emplace(all.text(), joined.size());
      if (is_new) joined.push_back({std::move(all), {}});
      joined[at->second].sources.emplace_back(&part, id);
    }
  }
  const bool per_second = first.op_ == RangeOp::kRate || first.op_ == RangeOp::kBytesRate;
  const double seconds = static_cast<double>(first.range_ns_) / 1e9;
  std::vector<int64_t> entries, bytes;
  for (Joined& series : joined) {
    entries.assign(first.grid_.count, 0);
    bytes.assign(first.counts_bytes() ? first.grid_.count : 0, 0);
    for (const auto& [part, id] : series.sources) {
      const Steps& steps = part->sums->series_[id];
      for (size_t i = 0; i < steps.entries.size(); ++i) entries[steps.first + i] += steps.entries[i];
      for (size_t i = 0; i < steps.bytes.size(); ++i) bytes[steps.first + i] += steps.bytes[i];
    }
    Series made;
    int64_t entry_sum = 0, byte_sum = 0;
    for (uint32_t i = 0; i < first.grid_.count; ++i) {
      entry_sum += entries[i];
      if (!bytes.empty()) byte_sum += bytes[i];
      if (entry_sum == 0) continue;
      const auto value = static_cast<double>(first.counts_bytes() ? byte_sum : entry_sum);
      made.points.push_back({i, per_second ? value / seconds : value});
    }
    if (made.points.empty()) continue;
    made.labels = std::move(series.labels);
    out.series.push_back(std::move(made));
  }
  return out;
}

}  // namespace server
