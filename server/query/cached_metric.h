// CachedMetric: the matrix of a metric query, of which the results cache gives what it has, piece by piece
// (result_pieces.h); what it has not is read, in as few goes as possible, and kept.
//
// Instants behind `fresh_from` are always read and never kept (max_cache_freshness_per_query). An answer that lacks
// something, or has more series than `max_series`, is not kept either.
//
// Thread: of the query. Errors: those of evaluate_metric; kOverLimit.
#pragma once

#include "server/cache/result_cache.h"
#include "server/query/query_context.h"
#include "server/query/result_key.h"
#include "server/query/result_pieces.h"

namespace server {

struct CachedMetricOptions {
  ResultCut cut;
  pipeline::UnixNanos fresh_from = INT64_MAX;
  uint64_t max_series = 0;  // 0: any number
};

// Sorted, or in the order of the expression where that is an instant query that sorts.
pipeline::Result<Matrix> cached_metric(const ResultQuestion& question, const StepGrid& grid, ResultCache& cache,
                                       const CachedMetricOptions& options, QueryContext& context);

// The same without a cache.
pipeline::Result<Matrix> read_metric(const Expr& expr, const StepGrid& grid, QueryContext& context);

}  // namespace server
