// The values of range aggregations, read from a pinned view: times alone where that is enough, whole pages searched
// before lines are looked at, a row at a time only where stages need it.
//
// Thread: a worker of the query pool.
// Errors: kInvalid (pipeline errors of Loki, a pipeline that does not compile), kCancelled, kOverLimit. Unreadable
// pages are warnings.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "server/logql/metric.h"
#include "server/query/selection.h"

namespace server {

class StoredRangeSource final : public RangeSource {
 public:
  StoredRangeSource(const ReadView& view, ReaderCache& readers, std::string tenant, const std::atomic<bool>& cancelled,
                    QueryStats& stats)
      : view_(view), readers_(readers), tenant_(std::move(tenant)), cancelled_(cancelled), stats_(stats) {}

  pipeline::Result<Matrix> read(const RangeAggregation& aggregation, const LabelUse& use,
                                const StepGrid& grid) override;

  const std::vector<std::string>& warnings() const { return warnings_; }
  bool objects_missing() const { return objects_missing_; }

 private:
  const ReadView& view_;
  ReaderCache& readers_;
  const std::string tenant_;
  const std::atomic<bool>& cancelled_;
  QueryStats& stats_;
  std::vector<std::string> warnings_;
  bool objects_missing_ = false;
};

}  // namespace server
