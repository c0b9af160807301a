// QueryMetrics: what queries cost, under our names and under those that dashboards made for Loki look for.
//
// Thread: any.
#pragma once

#include <string_view>

#include "pipeline/base/metrics.h"
#include "server/logql/syntax.h"
#include "server/query/result.h"

namespace server {

// Loki's kinds: "metric", "filter" (entries, with conditions on them), "limited" (entries of a selector).
std::string_view query_type(const Expr& expr);

class QueryMetrics {
 public:
  explicit QueryMetrics(pipeline::Registry& registry);

  // `range`: "range" or "instant".
  void count(std::string_view tenant, std::string_view type, std::string_view range, const QueryResult& result);
  // A query that was understood and has no answer.
  void count_failed(std::string_view type, std::string_view range, int status, double seconds);

 private:
  pipeline::Histogram& latency(std::string_view type, std::string_view range, int status) const;

  pipeline::Registry& registry_;
  pipeline::Counter& entries_;
  pipeline::Counter& bytes_;
  pipeline::Counter& duplicates_;
  pipeline::Counter& loki_duplicates_;
  pipeline::Counter& head_lines_;
  pipeline::Counter& partial_;
  pipeline::Counter& filtered_objects_;
  pipeline::Counter& filtered_pages_;
  pipeline::Counter& damaged_filters_;
  pipeline::Histogram& seconds_;
  pipeline::Histogram& queue_seconds_;
  pipeline::Histogram& frontend_queue_;
  pipeline::Histogram& scheduler_queue_;
};

}  // namespace server
