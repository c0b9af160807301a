// QueryEngine: LogQL answers over one consistent view of head and objects.
//
// Life:    outlives its queries; what it refers to outlives it.
// Thread:  any; calls take as long as the query. A query asks its turn at every page: it waits there for others, and
//          ends there with kCancelled when its client went away.
// Errors:  kInvalid with Loki's text (HTTP 400), kCancelled (499), kOverLimit (400: the query asks for more than the
//          limits allow), kIo, kUnavailable (500). An unreadable page or object is a warning in the answer, never a
//          silent hole.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/cache/result_cache.h"
#include "server/ingest/read_view.h"
#include "server/limits/limit_table.h"
#include "server/query/cached_metric.h"
#include "server/query/log_query.h"
#include "server/query/pattern_query.h"
#include "server/query/reader_cache.h"
#include "server/query/result.h"
#include "server/query/stream_labels.h"
#include "server/query/volume.h"

namespace server {

struct QueryEngineOptions {
  uint64_t memory_limit = 256 << 20;  // bytes of one query; 0: off
  uint64_t directory_cache_bytes = 64 << 20;
  ResultCut result_cut = {};  // of what the results cache keeps
};

struct RangeQuery {
  std::string tenant, query;
  pipeline::UnixNanos start = 0, end = 0;
  std::chrono::nanoseconds step{0};
  LogQueryOptions log;
  bool cuts_series = false;  // of more series than max_query_series the first ones are answered, with a warning
  bool explain = false;
  bool anew = false;                         // the results cache is neither asked nor filled
  pipeline::UnixNanos asked_at = INT64_MAX;  // max_cache_freshness_per_query counts from here
};

struct InstantQuery {
  std::string tenant, query;
  pipeline::UnixNanos time = 0;
  bool cuts_series = false;  // as above
  bool explain = false;
  bool anew = false;  // as above
  pipeline::UnixNanos asked_at = INT64_MAX;
};

class QueryEngine {
 public:
  // `limits`: of tenants; outlives the engine.
  QueryEngine(ReadViewSource views, ObjectStore& store, const LimitTable& limits, QueryEngineOptions options = {})
      : views_(std::move(views)), readers_(store, options.directory_cache_bytes), limits_(limits), options_(options) {}

  // Before the first query; `results` outlives the engine. Answers of metric queries are kept in it.
  void use_results(ResultCache& results) { results_ = &results; }

  pipeline::Result<QueryResult> range(const RangeQuery& query, QueryTurn& turn);
  pipeline::Result<QueryResult> instant(const InstantQuery& query, QueryTurn& turn);
  // With a LoneTurn.
  pipeline::Result<QueryResult> range(const RangeQuery& query, const std::atomic<bool>& cancelled);
  pipeline::Result<QueryResult> instant(const InstantQuery& query, const std::atomic<bool>& cancelled);

  pipeline::Result<Readable<std::vector<std::string>>> label_names(const StreamQuery& query, QueryTurn& turn);
  pipeline::Result<Readable<std::vector<std::string>>> label_values(const StreamQuery& query, std::string_view name,
                                                                    QueryTurn& turn);
  pipeline::Result<Readable<SeriesList>> series(const StreamQuery& query, QueryTurn& turn);

  // How much there is (volume.h).
  pipeline::Result<Readable<VolumeTotals>> volume_totals(const VolumeSelection& selection, QueryTurn& turn);
  pipeline::Result<Readable<std::vector<VolumeSeries>>> volumes(const VolumeSelection& selection,
                                                                const VolumeGrouping& grouping, uint32_t max_series,
                                                                QueryTurn& turn);

  // Templates of the lines of a log query (pattern_query.h).
  pipeline::Result<Readable<std::vector<PatternSeries>>> patterns(const std::string& tenant, const std::string& query,
                                                                  const PatternWindow& window, PatternNotes& notes,
                                                                  QueryTurn& turn);

  std::shared_ptr<const TenantLimits> limits(std::string_view tenant) const { return limits_.of(tenant); }

  uint64_t cached_bytes() const { return readers_.size_bytes(); }

 private:
  // Fills `result` in a context over one view; with another view again where objects went away in between.
  using Attempt = std::function<pipeline::Result<void>(QueryContext& context, QueryResult& result)>;
  struct Asked {
    const std::string& tenant;
    const Expr& expr;
    bool explain = false, cuts_series = false;
    const std::string* cached_as = nullptr;  // the query's text; null: the results cache has nothing to do with it
    pipeline::UnixNanos asked_at = INT64_MAX;
  };
  pipeline::Result<QueryResult> attempt(const Asked& asked, QueryTurn& turn, const Attempt& run);
  pipeline::Result<QueryResult> run_log(const Expr& expr, const RangeQuery& query, QueryTurn& turn);
  // The matrix of a metric query, from the results cache or the entries.
  pipeline::Result<Matrix> matrix_of(const Asked& asked, const StepGrid& grid, QueryContext& context);
  pipeline::Result<QueryResult> run_metric(const Asked& asked, const StepGrid& grid, QueryTurn& turn);
  // max_query_bytes_read, by what directories and head say.
  pipeline::Result<void> check_estimate(const TenantLimits& limits, const Asked& asked, pipeline::UnixNanos start,
                                        pipeline::UnixNanos end, QueryTurn& turn);

  ReadViewSource views_;
  ReaderCache readers_;
  const LimitTable& limits_;
  const QueryEngineOptions options_;
  ResultCache* results_ = nullptr;
};

}  // namespace server
