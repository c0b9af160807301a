#include "server/logql/range_store.h"

#include <algorithm>
#include <cmath>

#include "server/logql/window_values.h"

namespace server {
namespace {

// Entries of one series in one bucket.
template <class Value>
struct BucketValue {
  uint32_t bucket = 0;
  Value value;
};

// Joins the buckets of every window, each bucket about twice however many windows hold it: what left of the window's
// middle lies is kept as joined suffixes, what lies right of it as one value.
template <class Value, class Result>
void slide(const WindowBuckets& buckets, std::span<const BucketValue<Value>> values, std::vector<Point>& out,
           Result&& result) {
  std::vector<Value> suffixes;  // the last one begins at `first`
  Value right;
  size_t first = 0, middle = 0, last = 0;  // [first, last) is in the window
  for (uint32_t step = 0; step < buckets.steps(); ++step) {
    if (first == last) {
      if (first == values.size()) return;
      step = buckets.first_reaching(values[first].bucket, step);
      if (step == buckets.steps()) return;
    }
    const WindowBuckets::Window window = buckets.window(step);
    while (last < values.size() && values[last].bucket < window.end) right.join(values[last++].value);
    while (first < last && values[first].bucket < window.begin) {
      ++first;
      if (!suffixes.empty()) suffixes.pop_back();
    }
    if (first == last) {
      suffixes.clear();
      right = Value();
      middle = last;
      continue;
    }
    if (first >= middle) {
      suffixes.clear();
      for (size_t i = last; i-- > first;) {
        Value joined = values[i].value;
        if (!suffixes.empty()) joined.join(suffixes.back());
        suffixes.push_back(joined);
      }
      right = Value();
      middle = last;
    }
    Value whole = suffixes.back();
    whole.join(right);
    out.push_back({step, result(whole, step)});
  }
}

template <class Value>
class BucketStore final : public RangeStore {
 public:
  void add(LabelResults::Id series, uint32_t bucket, UnixNanos time, double value) override {
    if (series >= series_.size()) {
      size_bytes_ += (series + 1 - series_.size()) * sizeof(Buckets);
      series_.resize(series + 1);
    }
    at(series_[series], bucket).add(time, value);
  }
  size_t series_count() const override { return series_.size(); }
  bool has(LabelResults::Id series) const override { return !series_[series].empty(); }

  void points(std::span<const Source> sources, const WindowBuckets& buckets, std::vector<Point>& out) override {
    Buckets joined = taken(sources[0]);
    for (const Source& source : sources.subspan(1)) joined = join(joined, taken(source));
    slide<Value>(buckets, joined, out, [](const Value& value, uint32_t) { return value.value(); });
  }

 private:
  using Buckets = std::vector<BucketValue<Value>>;  // rising

  Value& at(Buckets& buckets, uint32_t bucket) {
    if (!buckets.empty() && buckets.back().bucket == bucket) return buckets.back().value;
    auto found = buckets.end();
    if (!buckets.empty() && buckets.back().bucket > bucket)
      found = std::lower_bound(buckets.begin(), buckets.end(), bucket,
                               [](const auto& one, uint32_t wanted) { return one.bucket < wanted; });
    if (found != buckets.end() && found->bucket == bucket) return found->value;
    const size_t room = buckets.capacity();
    found = buckets.insert(found, {bucket, Value()});
    size_bytes_ += (buckets.capacity() - room) * sizeof(BucketValue<Value>);
    return found->value;
  }

  static Buckets taken(const Source& source) {
    return std::move(static_cast<BucketStore*>(source.first)->series_[source.second]);
  }

  static Buckets join(const Buckets& left, const Buckets& right) {
    Buckets out;
    out.reserve(left.size() + right.size());
    auto a = left.begin();
    for (const BucketValue<Value>& b : right) {
      for (; a != left.end() && a->bucket < b.bucket; ++a) out.push_back(*a);
      if (a != left.end() && a->bucket == b.bucket) {
        out.push_back(*a++);
        out.back().value.join(b.value);
      } else {
        out.push_back(b);
      }
    }
    out.insert(out.end(), a, left.end());
    return out;
  }

  std::vector<Buckets> series_;
};

struct TimedValue {
  UnixNanos time = 0;
  double value = 0;
};

// Keeps every value.
class ValueStore : public RangeStore {
 public:
  void add(LabelResults::Id series, uint32_t, UnixNanos time, double value) override {
    if (series >= series_.size()) {
      size_bytes_ += (series + 1 - series_.size()) * sizeof(Values);
      series_.resize(series + 1);
    }
    Values& values = series_[series];
    const size_t room = values.capacity();
    values.push_back({time, value});
    size_bytes_ += (values.capacity() - room) * sizeof(TimedValue);
  }
  size_t series_count() const override { return series_.size(); }
  bool has(LabelResults::Id series) const override { return !series_[series].empty(); }

  void points(std::span<const Source> sources, const WindowBuckets& buckets, std::vector<Point>& out) override {
    Values all;
    for (const Source& source : sources) {
      Values some = std::move(static_cast<ValueStore*>(source.first)->series_[source.second]);
      if (all.empty()) {
        all = std::move(some);
      } else {
        all.insert(all.end(), some.begin(), some.end());
      }
    }
    auto earlier = [](const TimedValue& a, const TimedValue& b) { return a.time < b.time; };
    if (!std::is_sorted(all.begin(), all.end(), earlier)) std::stable_sort(all.begin(), all.end(), earlier);
    sorted_points(all, buckets, out);
  }

 protected:
  using Values = std::vector<TimedValue>;
  // `values` in order of time.
  virtual void sorted_points(const Values& values, const WindowBuckets& buckets, std::vector<Point>& out) const = 0;

 private:
  std::vector<Values> series_;
};

class CounterStore final : public ValueStore {
  void sorted_points(const Values& values, const WindowBuckets& buckets, std::vector<Point>& out) const override {
    std::vector<BucketValue<WindowCounter>> counters;
    WindowBuckets::Bucket bucket;
    for (const TimedValue& value : values) {
      if (counters.empty() || value.time > bucket.last) {
        bucket = buckets.at(value.time);
        counters.push_back({bucket.index, {}});
      }
      counters.back().value.add(value.time, value.value);
    }
    slide<WindowCounter>(buckets, counters, out, [&](const WindowCounter& counter, uint32_t step) {
      return counter.rate(buckets.window_end(step) - buckets.window_start(step));
    });
  }
};

// How many of a list of things are there, by rank (a Fenwick tree).
class RankCounts {
 public:
  explicit RankCounts(size_t ranks) : tree_(ranks + 1) {
    while (2 * top_ <= ranks) top_ *= 2;
  }
  void change(size_t rank, bool is_there) {
    for (size_t i = rank + 1; i < tree_.size(); i += i & (~i + 1)) tree_[i] += is_there ? 1u : ~0u;
  }
  // The rank of the n-th thing that is there, from 0.
  size_t nth(uint32_t n) const {
    size_t at = 0;
    for (size_t width = top_; width > 0; width /= 2) {
      if (at + width >= tree_.size() || tree_[at + width] > n) continue;
      at += width;
      n -= tree_[at];
    }
    return at;
  }

 private:
  std::vector<uint32_t> tree_;  // from 1
  size_t top_ = 1;
};

// Linear between the two nearest ranks, what is no number first.
class QuantileStore final : public ValueStore {
 public:
  explicit QuantileStore(double quantile) : quantile_(quantile) {}

 private:
  void sorted_points(const Values& values, const WindowBuckets& buckets, std::vector<Point>& out) const override {
    std::vector<uint32_t> by_rank(values.size()), rank_of(values.size());
    for (uint32_t i = 0; i < values.size(); ++i) by_rank[i] = i;
    std::sort(by_rank.begin(), by_rank.end(), [&](uint32_t a, uint32_t b) {
      const double x = values[a].value, y = values[b].value;
      return std::isnan(x) ? !std::isnan(y) : x < y;
    });
    for (uint32_t rank = 0; rank < by_rank.size(); ++rank) rank_of[by_rank[rank]] = rank;
    RankCounts there(values.size());
    size_t first = 0, last = 0;
    for (uint32_t step = 0; step < buckets.steps(); ++step) {
      for (; last < values.size() && values[last].time <= buckets.window_end(step); ++last)
        there.change(rank_of[last], true);
      for (; first < last && values[first].time <= buckets.window_start(step); ++first)
        there.change(rank_of[first], false);
      if (first < last)
        out.push_back({step, quantile(last - first, [&](size_t n) {
                         return values[by_rank[there.nth(static_cast<uint32_t>(n))]].value;
                       })});
    }
  }

  template <class Nth>
  double quantile(size_t count, Nth&& nth) const {
    if (std::isnan(quantile_)) return kNotANumber;
    if (quantile_ < 0) return -std::numeric_limits<double>::infinity();
    if (quantile_ > 1) return std::numeric_limits<double>::infinity();
    const double rank = quantile_ * static_cast<double>(count - 1), lower = std::floor(rank);
    const auto low = static_cast<size_t>(lower);
    const double weight = rank - lower;
    return nth(low) * (1 - weight) + nth(std::min(low + 1, count - 1)) * weight;
  }

  double quantile_;
};

}  // namespace

std::unique_ptr<RangeStore> RangeStore::create(const RangeAggregation& aggregation) {
  switch (aggregation.op) {
    case RangeOp::kSumOverTime: return std::make_unique<BucketStore<WindowSum>>();
    case RangeOp::kAvgOverTime: return std::make_unique<BucketStore<WindowMean>>();
    case RangeOp::kMinOverTime: return std::make_unique<BucketStore<WindowMin>>();
    case RangeOp::kMaxOverTime: return std::make_unique<BucketStore<WindowMax>>();
    case RangeOp::kStdvarOverTime: return std::make_unique<BucketStore<WindowVariance>>();
    case RangeOp::kStddevOverTime: return std::make_unique<BucketStore<WindowDeviation>>();
    case RangeOp::kFirstOverTime: return std::make_unique<BucketStore<WindowFirst>>();
    case RangeOp::kLastOverTime: return std::make_unique<BucketStore<WindowLast>>();
    case RangeOp::kQuantileOverTime: return std::make_unique<QuantileStore>(aggregation.parameter.value_or(0));
    case RangeOp::kRateCounter: return std::make_unique<CounterStore>();
    case RangeOp::kRate:
      if (aggregation.range.unwrap) return std::make_unique<BucketStore<WindowSum>>();
      break;
    case RangeOp::kCountOverTime:
    case RangeOp::kBytesOverTime:
    case RangeOp::kBytesRate:
    case RangeOp::kAbsentOverTime: break;
  }
  return std::make_unique<BucketStore<WindowTally>>();
}

}  // namespace server
