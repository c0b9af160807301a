#include "server/query/query_engine.h"

#include <algorithm>

#include "server/logql/metric.h"
#include "server/logql/page_conditions.h"
#include "server/logql/parser.h"
#include "server/query/query_admission.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::LabelSet;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

// Objects that compaction replaced and garbage collection removed between the view and the reading: a fresh view has
// their successors.
constexpr int kFreshViews = 2;

std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(now() - start).count();
}

// An object that is gone has many pages: some of their warnings are enough.
void shorten(std::vector<std::string>& warnings) {
  constexpr size_t kShown = 10;
  std::sort(warnings.begin(), warnings.end());
  warnings.erase(std::unique(warnings.begin(), warnings.end()), warnings.end());
  if (warnings.size() <= kShown) return;
  const size_t more = warnings.size() - kShown;
  warnings.resize(kShown);
  warnings.push_back(concat("and ", more, " more pages or objects could not be read"));
}

}  // namespace

Result<QueryResult> QueryEngine::range(const RangeQuery& query, const std::atomic<bool>& cancelled) {
  LoneTurn turn(cancelled);
  return range(query, turn);
}

Result<QueryResult> QueryEngine::instant(const InstantQuery& query, const std::atomic<bool>& cancelled) {
  LoneTurn turn(cancelled);
  return instant(query, turn);
}

Result<QueryResult> QueryEngine::range(const RangeQuery& query, QueryTurn& turn) {
  TRY_LET(Expr expr, parse_query(query.query));
  const auto limits = limits_.of(query.tenant);
  TRY(check_length(*limits, query.start, query.end));
  TRY(check_query(*limits, expr, query.query));
  if (expr.log() != nullptr) {
    if (limits->max_entries_limit_per_query != 0 && query.log.limit > limits->max_entries_limit_per_query) {
      return fail(Errc::kInvalid, concat("max entries limit per query exceeded, limit > max_entries_limit_per_query (",
                                         query.log.limit, " > ", limits->max_entries_limit_per_query, ")"));
    }
    TRY(check_estimate(*limits, {query.tenant, expr}, query.start, query.end, turn));
    return run_log(expr, query, turn);
  }
  TRY(check_estimate(*limits, {query.tenant, expr}, query.start, query.end, turn));
  StepGrid grid{query.start, query.step.count(),
                static_cast<uint32_t>((query.end - query.start) / query.step.count()) + 1};
  const std::string* text = query.anew || query.explain ? nullptr : &query.query;
  return run_metric({query.tenant, expr, query.explain, query.cuts_series, text, query.asked_at}, grid, turn);
}

Result<QueryResult> QueryEngine::instant(const InstantQuery& query, QueryTurn& turn) {
  TRY_LET(Expr expr, parse_query(query.query));
  if (expr.log() != nullptr) {
    return fail(
        Errc::kInvalid,
        "log queries are not supported as an instant query type, please change your query to a range query type");
  }
  const auto limits = limits_.of(query.tenant);
  TRY(check_query(*limits, expr, query.query));
  TRY(check_estimate(*limits, {query.tenant, expr}, query.time, query.time, turn));
  for (const RangeAggregation* range : range_aggregations(expr))
    TRY(check_length(*limits, query.time - range->range.range_ns, query.time + 1));
  const std::string* text = query.anew || query.explain ? nullptr : &query.query;
  const Asked asked{query.tenant, expr, query.explain, query.cuts_series, text, query.asked_at};
  TRY_LET(QueryResult result, run_metric(asked, StepGrid{query.time, 1, 1}, turn));
  Matrix& matrix = std::get<ResultMatrix>(result.data).matrix;
  if (matrix.is_scalar) {
    result.data = ResultScalar{query.time, matrix.series.at(0).points.at(0).value};
    return result;
  }
  ResultVector samples;
  for (Series& series : matrix.series) {
    for (const Point& point : series.points) samples.push_back({std::move(series.labels), query.time, point.value});
  }
  result.data = std::move(samples);
  return result;
}

Result<void> QueryEngine::check_estimate(const TenantLimits& limits, const Asked& asked, UnixNanos start, UnixNanos end,
                                         QueryTurn& turn) {
  if (limits.max_query_bytes_read == 0) return {};
  uint64_t bytes = 0;
  auto add = [&](const Selector& selector, UnixNanos first, UnixNanos last) -> Result<void> {
    if (first >= last) return {};
    TRY_LET(auto totals, volume_totals({asked.tenant, selector.matchers, {first, last}}, turn));
    bytes += totals.found.bytes;
    return {};
  };
  if (const LogExpr* log = asked.expr.log()) TRY(add(log->selector, start, end));
  if (asked.expr.log() == nullptr) {
    for (const RangeAggregation* aggregation : range_aggregations(asked.expr)) {
      const LogRange& range = aggregation->range;
      UnixNanos first = 0, last = 0;  // a range beyond the ends of time is counted from there
      if (__builtin_sub_overflow(start, range.offset_ns, &first) ||
          __builtin_sub_overflow(first, range.range_ns, &first))
        first = INT64_MIN;
      if (__builtin_sub_overflow(end, range.offset_ns, &last)) last = INT64_MAX;
      TRY(add(range.log.selector, first, last));
    }
  }
  return check_bytes(limits, bytes);
}

Result<QueryResult> QueryEngine::attempt(const Asked& asked, QueryTurn& turn, const Attempt& run) {
  auto started = now();
  const double waited = turn.waited_seconds();
  for (int attempts = 1;; ++attempts) {
    TRY(turn.breathe());
    QueryResult result;
    QueryMemory memory(options_.memory_limit);
    TRY_LET(ReadView view, views_(asked.tenant));
    result.last_frame = view.last_frame();
    QueryContext context{asked.tenant, view, readers_, turn, memory, result.stats, result.warnings};
    if (asked.explain)
      context.plan = &result.plan.emplace(QueryPlan{expr_text(asked.expr), {}, 0, memory.limit_bytes()});
    TRY(run(context, result));
    if (context.objects_missing && attempts < kFreshViews) continue;
    if (!view.incomplete.empty()) result.warnings.push_back(view.incomplete);
    result.partial = std::any_of(result.warnings.begin(), result.warnings.end(), [](const std::string& warning) {
      return warning.find("could not be read") != warning.npos;  // others tell of series cut off
    });
    shorten(result.warnings);
    if (result.plan) result.plan->memory_peak_bytes = memory.peak_bytes();
    result.stats.queue_seconds = turn.waited_seconds();
    result.stats.exec_seconds = std::max(0.0, seconds_since(started) - (turn.waited_seconds() - waited));
    return result;
  }
}

Result<QueryResult> QueryEngine::run_log(const Expr& expr, const RangeQuery& query, QueryTurn& turn) {
  const LogExpr& log = *expr.log();
  std::vector<pipeline::Matcher> matchers = compile_selector(log.selector);
  const Asked asked{query.tenant, expr, query.explain};
  return attempt(asked, turn, [&](QueryContext& context, QueryResult& result) -> Result<void> {
    context.selects_once = true;
    StepRecord step(context, "entries");
    TRY_LET(LogPipeline pipeline, LogPipeline::compile(log.stages));
    Selection selection =
        select_parts(context, matchers, query.start, query.end, page_conditions(log.stages, pipeline));
    step.selected(log, pipeline, selection, {.lines = true, .metadata = true});
    TRY_LET(result.data, run_log_query(pipeline, query.log, selection, context));
    return {};
  });
}

Result<Matrix> QueryEngine::matrix_of(const Asked& asked, const StepGrid& grid, QueryContext& context) {
  if (results_ == nullptr || asked.cached_as == nullptr) {
    context.selects_once = range_aggregations(asked.expr).size() == 1;
    return read_metric(asked.expr, grid, context);
  }
  const auto limits = limits_.of(asked.tenant);
  CachedMetricOptions options;
  options.cut = options_.result_cut;
  options.fresh_from = asked.asked_at - limits->max_cache_freshness_per_query.count();
  options.max_series = limits->max_query_series;
  return cached_metric({asked.tenant, *asked.cached_as, asked.expr}, grid, *results_, options, context);
}

Result<QueryResult> QueryEngine::run_metric(const Asked& asked, const StepGrid& grid, QueryTurn& turn) {
  return attempt(asked, turn, [&](QueryContext& context, QueryResult& result) -> Result<void> {
    TRY_LET(Matrix matrix, matrix_of(asked, grid, context));
    const uint64_t most = limits_.of(asked.tenant)->max_query_series;
    if (most != 0 && matrix.series.size() > most) {
      const std::string reached = concat("maximum number of series (", most, ") reached for a single query; ");
      if (!asked.cuts_series) {
        return fail(Errc::kInvalid,
                    concat(reached,
                           "consider reducing query cardinality by adding more specific stream selectors, reducing the "
                           "time range, or aggregating results with functions like sum(), count() or topk()"));
      }
      matrix.series.resize(most);
      result.warnings.push_back(concat(reached, "returning partial results"));
    }
    result.data = ResultMatrix{grid, std::move(matrix)};
    return {};
  });
}

Result<Readable<std::vector<std::string>>> QueryEngine::label_names(const StreamQuery& query, QueryTurn& turn) {
  TRY_LET(auto names, label_names_of(query, {views_, readers_, turn}));
  shorten(names.warnings);
  return names;
}

Result<Readable<std::vector<std::string>>> QueryEngine::label_values(const StreamQuery& query, std::string_view name,
                                                                     QueryTurn& turn) {
  TRY_LET(auto values, label_values_of(query, name, {views_, readers_, turn}));
  shorten(values.warnings);
  return values;
}

Result<Readable<SeriesList>> QueryEngine::series(const StreamQuery& query, QueryTurn& turn) {
  TRY_LET(auto series, series_of(query, {views_, readers_, turn}));
  shorten(series.warnings);
  return series;
}

Result<Readable<std::vector<PatternSeries>>> QueryEngine::patterns(const std::string& tenant, const std::string& query,
                                                                   const PatternWindow& window, PatternNotes& notes,
                                                                   QueryTurn& turn) {
  TRY_LET(Expr expr, parse_query(query));
  if (expr.log() == nullptr) return fail(Errc::kInvalid, "only log selector is supported");
  TRY(check_length(*limits_.of(tenant), window.start, window.end));
  Readable<std::vector<PatternSeries>> answer;
  const Asked asked{tenant, expr};
  TRY_LET(QueryResult result, attempt(asked, turn, [&](QueryContext& context, QueryResult&) -> Result<void> {
            TRY_LET(answer.found, find_patterns(*expr.log(), window, notes, context));
            return {};
          }));
  answer.warnings = std::move(result.warnings);
  return answer;
}

Result<Readable<VolumeTotals>> QueryEngine::volume_totals(const VolumeSelection& selection, QueryTurn& turn) {
  TRY_LET(auto totals, server::volume_totals(selection, views_, readers_, turn));
  shorten(totals.warnings);
  return totals;
}

Result<Readable<std::vector<VolumeSeries>>> QueryEngine::volumes(const VolumeSelection& selection,
                                                                 const VolumeGrouping& grouping, uint32_t max_series,
                                                                 QueryTurn& turn) {
  TRY_LET(auto series, server::volumes(selection, grouping, max_series, views_, readers_, turn));
  shorten(series.warnings);
  return series;
}

}  // namespace server
