// RangeValues: the arithmetic of range aggregations over windows that slide, entry by entry in any order.
//
// An entry goes into one bucket of its series (window_buckets.h), however many windows hold it; at the end every window
// is joined from its buckets: O(entries + series * steps). quantile_over_time and rate_counter cannot be put together
// from parts and keep every value until the end, 16 bytes each; sorting them is all they cost besides.
//
// Life:    one RangeValues per worker; finish() joins those of all workers.
// Thread:  one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/series_sink.h"
#include "server/logql/syntax.h"
#include "server/logql/window_buckets.h"

namespace server {

class RangeStore;

class RangeValues {
 public:
  RangeValues(const RangeAggregation& aggregation, const StepGrid& grid);
  RangeValues(RangeValues&&) noexcept;
  RangeValues& operator=(RangeValues&&) noexcept;
  ~RangeValues();

  // What an entry's value is: nothing, the length of its line after the pipeline, or what was unwrapped.
  enum class Input : uint8_t { kTime, kBytes, kUnwrapped };
  Input input() const { return input_; }

  // Entries out of every window are ignored. `series` comes from LabelResults. With Input::kTime, `value` is not
  // looked at.
  void add(LabelResults::Id series, UnixNanos time, double value);
  // Entries of one series, ascending times; only for Input::kTime. Costs a search per window border that lies between
  // them, not a step per entry.
  void add_sorted(LabelResults::Id series, std::span<const UnixNanos> times);
  // The same with the offsets of the lines (times.size() + 1 of them), for Input::kBytes.
  void add_sorted(LabelResults::Id series, std::span<const UnixNanos> times, std::span<const uint32_t> offsets);
  // Entries from `time` up to this time are counted alike: no window begins or ends in between.
  UnixNanos bucket_last(UnixNanos time) { return bucket_at(time).last; }
  // What such entries come to: how many they are (Input::kTime), or all their bytes (Input::kBytes).
  void add_sum(LabelResults::Id series, UnixNanos time, uint64_t sum);

  // Memory that it holds, nearly.
  uint64_t size_bytes() const;
  size_t series_count() const;

  // What one worker has gathered.
  struct Part {
    RangeValues* values;
    const LabelResults* labels;
  };
  // Hands the series on, those with equal labels joined, and gives their memory back on the way. Of entries with equal
  // times those of earlier parts are the earlier ones. kInvalid: pipeline_error_text of a series with __error__ in some
  // window.
  static Result<void> finish(std::span<const Part> parts, SeriesSink& sink);

 private:
  WindowBuckets::Bucket bucket_at(UnixNanos time);

  Input input_;
  double divisor_ = 1;  // of every value: the seconds of a window for rates
  WindowBuckets buckets_;
  WindowBuckets::Bucket latest_;  // neighbours in time usually share a bucket
  std::unique_ptr<RangeStore> store_;
};

}  // namespace server
