// ListSource: a RangeSource over a plain list of entries, read as the query engine reads them but without pages.
#pragma once

#include <string>
#include <vector>

#include "server/logql/metric.h"
#include "server/logql/testing/naive_query.h"

namespace server {

class ListSource final : public RangeSource {
 public:
  // `parts`: as many workers gather the entries by turns. `entries` outlive it.
  explicit ListSource(const std::vector<NaiveEntry>& entries, size_t parts = 1) : entries_(entries), parts_(parts) {}

  Result<void> read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid,
                    SeriesSink& sink) override;
  std::unique_ptr<WorkingMemory> memory(std::string holder) override;  // without a limit

 private:
  const std::vector<NaiveEntry>& entries_;
  const size_t parts_;
};

}  // namespace server
