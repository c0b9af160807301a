#include "server/logql/range_values.h"

#include <algorithm>
#include <unordered_map>

#include "pipeline/base/invariant.h"
#include "server/logql/label_results.h"
#include "server/logql/range_store.h"

namespace server {
namespace {

RangeValues::Input input_of(const RangeAggregation& aggregation) {
  switch (aggregation.op) {
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate: return RangeValues::Input::kBytes;
    case RangeOp::kCountOverTime:
    case RangeOp::kAbsentOverTime: return RangeValues::Input::kTime;
    case RangeOp::kRate: return aggregation.range.unwrap ? RangeValues::Input::kUnwrapped : RangeValues::Input::kTime;
    default: return RangeValues::Input::kUnwrapped;
  }
}

// The labels of a series, whatever categories they are in.
pipeline::Hash128 sum_of(const ResultLabels& labels) {
  LabelSum sum;
  for (const LabelSet* part : {&labels.stream, &labels.metadata, &labels.parsed})
    for (const auto& [name, value] : part->labels()) sum.add(LabelSum::Category::kGroup, name, value);
  return sum.sum();
}

}  // namespace

RangeValues::RangeValues(const RangeAggregation& aggregation, const StepGrid& grid)
    : input_(input_of(aggregation)), buckets_(aggregation.range, grid), store_(RangeStore::create(aggregation)) {
  if (aggregation.op == RangeOp::kRate || aggregation.op == RangeOp::kBytesRate)
    divisor_ = static_cast<double>(aggregation.range.range_ns) / 1e9;
}

RangeValues::RangeValues(RangeValues&&) noexcept = default;
RangeValues& RangeValues::operator=(RangeValues&&) noexcept = default;
RangeValues::~RangeValues() = default;

WindowBuckets::Bucket RangeValues::bucket_at(UnixNanos time) {
  if (time <= latest_.after || time > latest_.last) latest_ = buckets_.at(time);
  return latest_;
}

void RangeValues::add(LabelResults::Id series, UnixNanos time, double value) {
  const WindowBuckets::Bucket bucket = bucket_at(time);
  if (bucket.in_window) store_->add(series, bucket.index, time, input_ == Input::kTime ? 1 : value);
}

void RangeValues::add_sum(LabelResults::Id series, UnixNanos time, uint64_t sum) {
  DEBUG_INVARIANT(input_ != Input::kUnwrapped);
  const WindowBuckets::Bucket bucket = bucket_at(time);
  if (bucket.in_window) store_->add(series, bucket.index, time, static_cast<double>(sum));
}

void RangeValues::add_sorted(LabelResults::Id series, std::span<const UnixNanos> times) {
  add_sorted(series, times, {});
}

void RangeValues::add_sorted(LabelResults::Id series, std::span<const UnixNanos> times,
                             std::span<const uint32_t> offsets) {
  DEBUG_INVARIANT(input_ != Input::kUnwrapped);
  size_t begin = 0;
  while (begin < times.size()) {
    const WindowBuckets::Bucket bucket = bucket_at(times[begin]);
    size_t end = times.size();
    if (times.back() > bucket.last) {  // gallop: pages usually lie within few buckets
      size_t step = 1;
      for (end = begin + 1; end < times.size() && times[end] <= bucket.last; step *= 2)
        end = std::min(end + step, times.size());
      end = static_cast<size_t>(std::upper_bound(times.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 times.begin() + static_cast<std::ptrdiff_t>(end), bucket.last) -
                                times.begin());
    }
    if (bucket.in_window) {
      const auto sum = offsets.empty() ? end - begin : size_t{offsets[end] - offsets[begin]};
      store_->add(series, bucket.index, times[begin], static_cast<double>(sum));
    }
    begin = end;
  }
}

uint64_t RangeValues::size_bytes() const { return store_->size_bytes(); }
size_t RangeValues::series_count() const { return store_->series_count(); }

Result<void> RangeValues::finish(std::span<const Part> parts, SeriesSink& sink) {
  if (parts.empty()) return {};
  const RangeValues& first = *parts.front().values;
  struct Joined {
    const ResultLabels* labels;
    std::vector<RangeStore::Source> sources;
  };
  std::vector<Joined> joined;
  std::unordered_map<pipeline::Hash128, size_t> by_labels;
  for (const Part& part : parts) {
    RangeStore* store = part.values->store_.get();
    for (LabelResults::Id id = 0; id < store->series_count(); ++id) {
      if (!store->has(id)) continue;
      const ResultLabels& labels = part.labels->at(id);
      if (labels.has_error && !labels.preserves_error)
        return pipeline::fail(pipeline::Errc::kInvalid, pipeline_error_text(labels.all()));
      auto [at, is_new] = by_labels.try_emplace(sum_of(labels), joined.size());
      if (is_new) joined.push_back({&labels, {}});
      joined[at->second].sources.emplace_back(store, id);
    }
  }
  by_labels = {};
  for (const Joined& one : joined) {
    Series series;
    first.store_->points(one.sources, first.buckets_, series.points);
    if (series.points.empty()) continue;
    if (first.divisor_ != 1)
      for (Point& point : series.points) point.value /= first.divisor_;
    series.labels = one.labels->all();
    TRY(sink.add(std::move(series)));
  }
  return {};
}

}  // namespace server
