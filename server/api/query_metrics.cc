#include "server/api/query_metrics.h"

#include <algorithm>
#include <string>

namespace server {

namespace {

std::vector<double> throughput_buckets() {  // bytes a second
  std::vector<double> bounds;
  for (double megabytes : {50, 100, 200, 400, 600, 800, 1000, 2000, 3000, 4000, 5000, 10'000, 15'000, 20'000})
    bounds.push_back(megabytes * 1e6);
  return bounds;
}

std::vector<double> query_buckets() { return {.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100}; }

pipeline::MetricLabels kind_labels(std::string_view type, std::string_view range, int status) {
  return {{"range", std::string(range)}, {"status_code", std::to_string(status)}, {"type", std::string(type)}};
}

}  // namespace

std::string_view query_type(const Expr& expr) {
  const LogExpr* log = expr.log();
  if (log == nullptr) return "metric";
  const bool filters = std::any_of(log->stages.begin(), log->stages.end(), [](const Stage& stage) {
    return std::holds_alternative<LineFilterStage>(stage) || std::holds_alternative<LabelFilterStage>(stage);
  });
  return filters ? "filter" : "limited";
}

QueryMetrics::QueryMetrics(pipeline::Registry& registry)
    : registry_(registry),
      entries_(registry.counter("skidway_server_query_entries_scanned_total", "Entries that queries looked at.")),
      bytes_(
          registry.counter("skidway_server_query_bytes_scanned_total", "Bytes that queries decompressed or searched.")),
      duplicates_(
          registry.counter("skidway_server_query_duplicates_total", "Entries met more than once and counted once.")),
      loki_duplicates_(registry.counter("loki_logql_querystats_duplicates_total",
                                        "Total count of duplicates found while executing LogQL queries.")),
      head_lines_(registry.counter("loki_logql_querystats_ingester_sent_lines_total",
                                   "Entries not yet flushed that queries looked at.")),
      partial_(registry.counter("skidway_server_query_partial_total",
                                "Answers with a warning, because something could not be read.")),
      filtered_objects_(registry.counter("skidway_server_query_filtered_objects_total",
                                         "Objects of which nothing but a part of their id set was read.")),
      filtered_pages_(registry.counter("skidway_server_query_filtered_pages_total",
                                       "Pages that substring filters kept from being read.")),
      damaged_filters_(registry.counter("skidway_server_query_filter_damaged_total",
                                        "Parts of substring filters that could not be used: their pages were read.")),
      seconds_(registry.histogram("skidway_server_query_seconds", "Execution time of queries.",
                                  pipeline::latency_buckets())),
      queue_seconds_(registry.histogram("skidway_server_query_queue_seconds", "Time that queries waited for others.",
                                        pipeline::latency_buckets())),
      frontend_queue_(registry.histogram("loki_query_frontend_queue_duration_seconds", "Time spent by requests queued.",
                                         query_buckets())),
      scheduler_queue_(registry.histogram("loki_query_scheduler_queue_duration_seconds",
                                          "Time spent by requests in queue before getting picked up by a querier.",
                                          query_buckets())) {}

pipeline::Histogram& QueryMetrics::latency(std::string_view type, std::string_view range, int status) const {
  return registry_.histogram("loki_logql_querystats_latency_seconds",
                             "Distribution of latency for LogQL queries, in seconds.", query_buckets(),
                             kind_labels(type, range, status));
}

void QueryMetrics::count(std::string_view tenant, std::string_view type, std::string_view range,
                         const QueryResult& result) {
  const QueryStats& s = result.stats;
  const uint64_t bytes = s.decompressed_bytes + s.head_bytes;
  entries_.add(s.store_lines + s.head_lines);
  bytes_.add(bytes);
  duplicates_.add(s.duplicates);
  loki_duplicates_.add(s.duplicates);
  head_lines_.add(s.head_lines);
  if (result.partial) partial_.add();
  filtered_objects_.add(s.objects_skipped_by_filter);
  filtered_pages_.add(s.pages_skipped_by_filter);
  damaged_filters_.add(s.filters_damaged);
  seconds_.observe(s.exec_seconds);
  for (pipeline::Histogram* queue : {&queue_seconds_, &frontend_queue_, &scheduler_queue_})
    queue->observe(s.queue_seconds);

  latency(type, range, 200).observe(s.exec_seconds);
  pipeline::MetricLabels labels = kind_labels(type, range, 200);
  registry_.counter("loki_logql_querystats_downloaded_chunk_total", "Objects that queries read from.", labels)
      .add(s.objects_opened);
  labels.emplace_back("latency_type", s.exec_seconds < 10 ? "fast" : "slow");
  labels.emplace_back("sharded", "false");
  registry_
      .histogram("loki_logql_querystats_bytes_processed_per_seconds",
                 "Distribution of bytes processed per second for LogQL queries.", throughput_buckets(), labels)
      .observe(static_cast<double>(bytes) / std::max(s.exec_seconds, 1e-9));
  registry_
      .counter("loki_logql_querystats_bytes_processed_total", "Total number of bytes processed by LogQL queries.",
               {{"tenant", std::string(tenant)}})
      .add(bytes);
  registry_
      .histogram("logql_query_duration_seconds", "LogQL query timings", query_buckets(),
                 {{"query_type", std::string(range)}})
      .observe(s.exec_seconds);
}

void QueryMetrics::count_failed(std::string_view type, std::string_view range, int status, double seconds) {
  latency(type, range, status).observe(seconds);
}

}  // namespace server
