// The inside of RangeValues: what is kept per series, by range aggregation.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/logql/matrix.h"
#include "server/logql/syntax.h"
#include "server/logql/window_buckets.h"

namespace server {

class RangeStore {
 public:
  static std::unique_ptr<RangeStore> create(const RangeAggregation& aggregation);
  virtual ~RangeStore() = default;

  virtual void add(LabelResults::Id series, uint32_t bucket, UnixNanos time, double value) = 0;
  // Ids from 0 to series_count() may have entries.
  virtual size_t series_count() const = 0;
  virtual bool has(LabelResults::Id series) const = 0;

  // One series, gathered in several stores of the same kind; their memory is given back. A point per window that holds
  // an entry.
  using Source = std::pair<RangeStore*, LabelResults::Id>;
  virtual void points(std::span<const Source> sources, const WindowBuckets& buckets, std::vector<Point>& out) = 0;

  uint64_t size_bytes() const { return size_bytes_; }

 protected:
  uint64_t size_bytes_ = 0;
};

}  // namespace server
