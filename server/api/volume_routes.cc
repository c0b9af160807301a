#include "server/api/volume_routes.h"

#include <algorithm>

#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpForm;
using pipeline::HttpResponse;
using pipeline::Result;
using pipeline::UnixNanos;

namespace {

constexpr uint32_t kDefaultLimit = 100;

// {} asks for everything; other selectors must name something.
Result<std::vector<LabelMatcher>> selector_of(const ReadCall& call) {
  std::string_view text = call.form.get("query");
  if (text == "{}") return std::vector<LabelMatcher>();
  TRY_LET(Selector selector, parse_selector(text, EmptyMatchers::kRefuse));
  return std::move(selector.matchers);
}

std::string totals_json(const VolumeTotals& totals) {
  return concat(R"({"streams":)", totals.streams, R"(,"chunks":)", totals.pieces, R"(,"bytes":)", totals.bytes,
                R"(,"entries":)", totals.entries, "}");
}

Result<std::string> stats(const ReadCall& call, QueryEngine& engine) {
  TRY_LET(TimeRange range, parse_time_range(call.form, call.now));
  TRY(check_order(range));
  range = within_lookback(range, *engine.limits(call.tenant), call.now);
  TRY_LET(auto matchers, selector_of(call));
  TRY_LET(auto totals, engine.volume_totals({call.tenant, std::move(matchers), {range.start, range.end}}, *call.turn));
  return with_warnings(totals_json(totals.found) + "\n", totals.warnings);
}

// How to cut a query for several machines: here one does it all, whatever its size.
Result<std::string> shards(const ReadCall& call, QueryEngine& engine) {
  TRY_LET(TimeRange range, parse_time_range(call.form, call.now));
  TRY(check_order(range));
  range = within_lookback(range, *engine.limits(call.tenant), call.now);
  TRY_LET(auto matchers, selector_of(call));
  TRY_LET(auto totals, engine.volume_totals({call.tenant, std::move(matchers), {range.start, range.end}}, *call.turn));
  return with_warnings(concat(R"({"shards":[{"bounds":{"min":0,"max":18446744073709551615},"stats":)",
                              totals_json(totals.found), R"(}],"statistics":)", stats_json({}), "}\n"),
                       totals.warnings);
}

std::vector<std::string> target_labels(const HttpForm& form) {
  std::vector<std::string> labels;
  std::string_view rest = form.get("targetLabels");
  while (!rest.empty()) {
    size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) labels.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return labels;
}

// Which labels make a series. Streams must have every target label.
VolumeGrouping grouping_of(std::vector<LabelMatcher>& matchers, std::vector<std::string> targets,
                           VolumeGrouping::By by) {
  VolumeGrouping grouping{by, false, std::move(targets)};
  if (!grouping.labels.empty()) {
    for (const std::string& target : grouping.labels) {
      auto is_target = [&](const LabelMatcher& matcher) { return matcher.name == target; };
      if (std::none_of(matchers.begin(), matchers.end(), is_target))
        matchers.push_back({target, MatchOp::kRegex, ".+"});
    }
  } else if (matchers.empty() || by == VolumeGrouping::By::kLabel) {
    grouping.all_labels = true;
  } else {
    for (const LabelMatcher& matcher : matchers) grouping.labels.push_back(matcher.name);
  }
  return grouping;
}

// Multiples of the step, but for the first edge and the last.
std::vector<UnixNanos> bucket_edges(const TimeRange& range, std::chrono::nanoseconds step) {
  std::vector<UnixNanos> edges = {range.start};
  UnixNanos remainder = range.start % step.count();
  if (remainder < 0) remainder += step.count();
  UnixNanos edge = 0;
  bool beyond = __builtin_add_overflow(range.start, step.count() - remainder, &edge);
  for (; !beyond && edge < range.end; beyond = __builtin_add_overflow(edge, step.count(), &edge)) edges.push_back(edge);
  edges.push_back(range.end);
  return edges;
}

// Only the `limit` largest of each bucket, as Loki asks for each bucket by itself.
void keep_largest(std::vector<VolumeSeries>& series, size_t buckets, uint32_t limit) {
  if (series.size() <= limit) return;
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    std::vector<VolumeSeries*> order;
    for (VolumeSeries& one : series) order.push_back(&one);
    std::stable_sort(order.begin(), order.end(), [&](const VolumeSeries* a, const VolumeSeries* b) {
      return a->bytes[bucket] != b->bytes[bucket] ? a->bytes[bucket] > b->bytes[bucket] : a->labels < b->labels;
    });
    for (size_t i = limit; i < order.size(); ++i) order[i]->bytes[bucket] = 0;
  }
}

struct ShownSeries {
  const VolumeSeries* series;
  std::vector<size_t> buckets;  // those with bytes
  uint64_t first() const { return series->bytes[buckets.front()]; }
};

std::string volume_answer(const std::vector<VolumeSeries>& all, const std::vector<UnixNanos>& times) {
  std::vector<ShownSeries> shown;
  bool is_matrix = false;
  for (const VolumeSeries& series : all) {
    ShownSeries one{&series, {}};
    for (size_t i = 0; i < series.bytes.size(); ++i)
      if (series.bytes[i] > 0) one.buckets.push_back(i);
    is_matrix = is_matrix || one.buckets.size() > 1;
    if (!one.buckets.empty()) shown.push_back(std::move(one));
  }
  std::sort(shown.begin(), shown.end(), [](const ShownSeries& a, const ShownSeries& b) {
    return a.first() != b.first() ? a.first() > b.first() : a.series->labels < b.series->labels;
  });
  std::string out =
      concat(R"({"status":"success","data":{"resultType":")", is_matrix ? "matrix" : "vector", R"(","result":[)");
  for (const ShownSeries& one : shown) {
    out += &one == shown.data() ? "{\"metric\":" : ",{\"metric\":";
    append_labels(out, one.series->labels);
    out += is_matrix ? ",\"values\":[" : ",\"value\":";
    for (size_t i : one.buckets) {
      if (i != one.buckets.front()) out += ',';
      append_point(out, times[i], static_cast<double>(one.series->bytes[i]));
    }
    out += is_matrix ? "]}" : "}";
  }
  return out += concat("],\"stats\":", stats_json({}), "}}\n");
}

struct VolumeParameters {
  uint32_t limit = 0;
  VolumeGrouping::By by = VolumeGrouping::By::kSeries;
};

Result<VolumeParameters> parse_volume_parameters(const HttpForm& form) {
  VolumeParameters p;
  TRY_LET(p.limit, parse_limit(form, "limit", kDefaultLimit, ZeroLimit::kIsDefault));
  std::string_view by = form.get("aggregateBy");
  if (by == "labels") {
    p.by = VolumeGrouping::By::kLabel;
  } else if (!by.empty() && by != "series") {
    return fail(Errc::kInvalid, "invalid aggregation option");
  }
  return p;
}

// A bucket is shown at its last instant, the last one at the end asked for.
Result<HttpResponse> volume(const ReadCall& call, QueryEngine& engine, std::vector<UnixNanos> edges) {
  auto limits = engine.limits(call.tenant);
  if (!limits->volume_enabled) return HttpResponse::text(404, "not found");
  TRY_LET(VolumeParameters p, parse_volume_parameters(call.form));
  TRY_LET(auto matchers, selector_of(call));
  VolumeGrouping grouping = grouping_of(matchers, target_labels(call.form), p.by);
  std::vector<UnixNanos> times(edges.begin() + 1, edges.end());
  for (size_t i = 0; i + 1 < times.size(); ++i) --times[i];
  auto series = engine.volumes({call.tenant, std::move(matchers), std::move(edges)}, grouping,
                               static_cast<uint32_t>(limits->volume_max_series), *call.turn);
  if (!series && series.error().code == Errc::kOverLimit) return HttpResponse::text(500, series.error().message);
  TRY(series);
  keep_largest(series->found, times.size(), p.limit);
  return HttpResponse::json(with_warnings(volume_answer(series->found, times), series->warnings));
}

}  // namespace

void add_volume_routes(ReadRoutes& routes, QueryEngine& engine) {
  routes.add_json("/loki/api/v1/index/stats", [&engine](const ReadCall& call) { return stats(call, engine); });
  routes.add_json("/loki/api/v1/index/shards", [&engine](const ReadCall& call) { return shards(call, engine); });
  routes.add("/loki/api/v1/index/volume", [&engine](const ReadCall& call) -> Result<HttpResponse> {
    TRY_LET(TimeRange range, parse_time_range(call.form, call.now));
    TRY(check_order(range));
    range = within_lookback(range, *engine.limits(call.tenant), call.now);
    return volume(call, engine, {range.start, range.end});
  });
  routes.add("/loki/api/v1/index/volume_range", [&engine](const ReadCall& call) -> Result<HttpResponse> {
    TRY_LET(SteppedRange stepped, parse_stepped_range(call.form, call.now));
    stepped.range = within_lookback(stepped.range, *engine.limits(call.tenant), call.now);
    return volume(call, engine, bucket_edges(stepped.range, stepped.step));
  });
}

}  // namespace server
