// QueryPlan: what explain=true shows: how a query was read, with the numbers expected from directories alone and those
// that came out. One step for each selection of entries: a log query has one, a metric query one per range aggregation.
//
// Life:    values; filled while the query runs, only if somebody asked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/logql/log_pipeline.h"
#include "server/query/query_stats.h"
#include "server/query/selection.h"

namespace server {

struct PlanStep {
  std::string reads;                 // "entries", or the range aggregation: "count_over_time"
  std::string expression;            // {app="a"} |= "x" | json
  std::vector<std::string> columns;  // of pages, that may be read: times, lengths, text, metadata
  std::string leading_filters;       // searched for in whole pages before anything else
  size_t threads = 1;                // at most
  struct Estimate {
    uint64_t objects = 0, pages = 0;
    uint64_t entries = 0, line_bytes = 0;  // of the selected streams; bytes of whole pages
    uint64_t head_entries = 0, head_line_bytes = 0;
  } estimated;
  QueryStats actual;  // of this step alone
  double seconds = 0;
};

struct QueryPlan {
  std::string query;  // as it was understood
  std::vector<PlanStep> steps;
  uint64_t memory_peak_bytes = 0, memory_limit_bytes = 0;
};

struct QueryContext;

// Fills one step from its begin to its end; does nothing where the context has no plan.
class StepRecord {
 public:
  StepRecord(QueryContext& context, std::string_view reads);
  ~StepRecord();
  StepRecord(const StepRecord&) = delete;
  StepRecord& operator=(const StepRecord&) = delete;

  // `needs_times`, `needs_lengths`: for what is computed, besides what the pipeline looks at.
  struct Needs {
    bool times = true, lengths = false, lines = false, metadata = false;
  };
  void selected(const LogExpr& log, const LogPipeline& pipeline, const Selection& selection, Needs needs);

 private:
  QueryContext& context_;
  PlanStep step_;
  QueryStats before_;
  double begin_ = 0;
};

}  // namespace server
