// VectorAggregator: sum, avg, min, max, count, stddev, stdvar, topk, bottomk, sort, sort_desc and approx_topk over
// series that come one after the other.
//
// The series themselves are not kept: groups keep a value per step, topk and bottomk the best k of each step with the
// labels of those alone. approx_topk is exact.
//
// Life:    add() for every series, then finish() once.
// Thread:  one at a time.
// Errors:  kOverLimit of the memory.
#pragma once

#include <memory>

#include "server/logql/series_sink.h"
#include "server/logql/syntax.h"
#include "server/logql/working_memory.h"

namespace server {

class VectorAggregator : public SeriesSink {
 public:
  static std::unique_ptr<VectorAggregator> create(const VectorAggregation& aggregation, const StepGrid& grid,
                                                  std::unique_ptr<WorkingMemory> memory);
  // Hands the result on. With one step, sort and topk hand it on in their order.
  virtual Result<void> finish(SeriesSink& sink) = 0;
};

// The labels of the group that a series belongs to; no grouping: none.
LabelSet group_labels(const std::optional<Grouping>& grouping, const LabelSet& labels);

// A number for a set of labels; equal for equal sets, and for others nearly never.
pipeline::Hash128 labels_key(const LabelSet& labels);

// Memory of labels, about.
uint64_t labels_bytes(const LabelSet& labels);

}  // namespace server
