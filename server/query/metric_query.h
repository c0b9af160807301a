// The values of range aggregations, read from a pinned view: times alone where that is enough, whole pages searched
// before lines are looked at, a row at a time only where stages need it.
//
// Thread: of the query; its parts run on several.
// Errors: kInvalid (pipeline errors of Loki, a pipeline that does not compile), kCancelled, kOverLimit. Unreadable
// pages are warnings.
#pragma once

#include "server/logql/metric.h"
#include "server/query/query_context.h"

namespace server {

class StoredRangeSource final : public RangeSource {
 public:
  explicit StoredRangeSource(QueryContext& context) : context_(context) {}

  pipeline::Result<void> read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid,
                              SeriesSink& sink) override;
  std::unique_ptr<WorkingMemory> memory(std::string holder) override;

 private:
  QueryContext& context_;
};

}  // namespace server
