// Metric expressions above their range aggregations: a tree of steps that hand series on to each other.
//
// Vector aggregations and label_replace take one series after the other; only operations of two vectors hold both
// sides. Thread: any. Errors: kInvalid with Loki's texts, kOverLimit of the memory, what the source says.
#pragma once

#include <vector>

#include "pipeline/base/result.h"
#include "server/logql/log_pipeline.h"
#include "server/logql/matrix.h"
#include "server/logql/series_sink.h"
#include "server/logql/syntax.h"
#include "server/logql/working_memory.h"

namespace server {

// Where the values of range aggregations come from: the query engine, or a list of entries in tests.
class RangeSource : public MemorySource {
 public:
  // Hands the series of the aggregation on; of absent_over_time those of count_over_time.
  virtual Result<void> read(const RangeAggregation& aggregation, const LabelUse& use, const StepGrid& grid,
                            SeriesSink& sink) = 0;
};

// Each range aggregation of `expr` is read once, from left to right.
Result<Matrix> evaluate_metric(const Expr& expr, const StepGrid& grid, RangeSource& source);

// A point at every step.
Matrix constant(double value, const StepGrid& grid);

// The expression contains sort or sort_desc: an instant answer keeps the order of the series as they were made.
bool keeps_order(const Expr& expr);

// All range aggregations, from left to right.
std::vector<const RangeAggregation*> range_aggregations(const Expr& expr);

// The labels of absent_over_time: what the matchers say about the one stream that is not there.
LabelSet absent_labels(const Selector& selector);

}  // namespace server
