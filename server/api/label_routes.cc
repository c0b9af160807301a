#include "server/api/label_routes.h"

#include "pipeline/parse/value_text.h"
#include "server/api/detected_labels.h"
#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpResponse;
using pipeline::prometheus_duration_text;
using pipeline::Result;

namespace {

Result<StreamQuery> stream_query(const ReadCall& call, const TenantLimits& limits) {
  TRY_LET(TimeRange range, parse_time_range(call.form, call.now));
  if (range.end < range.start || is_beyond_lookback(range, limits, call.now)) {
    return fail(Errc::kInvalid,
                pipeline::concat("this data is no longer available, it is past now - max_query_lookback (",
                                 prometheus_duration_text(limits.max_query_lookback.count()), ")"));
  }
  range = within_lookback(range, limits, call.now);
  return StreamQuery{call.tenant, {}, range.start, range.end};
}

Result<StreamQuery> label_query(const ReadCall& call, const TenantLimits& limits) {
  TRY_LET(StreamQuery query, stream_query(call, limits));
  if (std::string_view selector = call.form.get("query"); !selector.empty()) query.selectors.emplace_back(selector);
  return query;
}

Result<std::string> series(const ReadCall& call, QueryEngine& engine) {
  TRY_LET(StreamQuery query, stream_query(call, *engine.limits(call.tenant)));
  for (const char* name : {"match", "match[]"}) {
    for (std::string_view selector : call.form.all(name)) query.selectors.emplace_back(selector);
  }
  if (query.selectors.size() == 1 && query.selectors[0] == "{}") query.selectors.clear();
  for (const std::string& selector : query.selectors) {
    if (selector == "{}") return fail(Errc::kInvalid, "0 matchers in group: {}");
  }
  TRY_LET(auto series, engine.series(query, *call.turn));
  return with_warnings(series_answer(series.found), series.warnings);
}

Result<std::string> detected_labels(const ReadCall& call, QueryEngine& engine) {
  TRY_LET(TimeRange range, parse_time_range(call.form, call.now));
  TRY(check_order(range));
  range = within_lookback(range, *engine.limits(call.tenant), call.now);
  StreamQuery query{call.tenant, {}, range.start, range.end};
  if (std::string_view selector = call.form.get("query"); !selector.empty() && selector != "{}")
    query.selectors.emplace_back(selector);
  TRY_LET(auto series, engine.series(query, *call.turn));
  LabelDetector detector;
  std::vector<MetadataPair> labels;
  for (size_t i = 0; i < series.found.size(); ++i) {
    series.found.labels(i, labels);
    detector.add(labels);
  }
  return with_warnings(detected_labels_answer(detector.found()), series.warnings);
}

HttpResponse page_not_found() { return HttpResponse::text(404, "404 page not found\n"); }

}  // namespace

void add_label_routes(ReadRoutes& routes, QueryEngine& engine) {
  enum class Names { kPlain, kLegacy };
  auto add_names = [&](const char* path, Names form) {
    routes.add_json(path, [&engine, form](const ReadCall& call) -> Result<std::string> {
      TRY_LET(StreamQuery query, label_query(call, *engine.limits(call.tenant)));
      TRY_LET(auto names, engine.label_names(query, *call.turn));
      return with_warnings(form == Names::kPlain ? names_answer(names.found) : legacy_names_answer(names.found),
                           names.warnings);
    });
  };
  add_names("/loki/api/v1/labels", Names::kPlain);
  add_names("/loki/api/v1/label", Names::kPlain);
  add_names("/api/prom/label", Names::kLegacy);
  add_names("/api/prom/label/{name}/values", Names::kLegacy);  // Loki's ignores the name
  routes.add("/loki/api/v1/label/{name}/values", [&engine](const ReadCall& call) -> Result<HttpResponse> {
    std::string_view name = call.request.path_value("name");
    if (name.find('/') != name.npos) return page_not_found();
    TRY_LET(StreamQuery query, label_query(call, *engine.limits(call.tenant)));
    TRY_LET(auto values, engine.label_values(query, name, *call.turn));
    return HttpResponse::json(with_warnings(names_answer(values.found), values.warnings));
  });
  for (const char* path : {"/loki/api/v1/series", "/api/prom/series"})
    routes.add_json(path, [&engine](const ReadCall& call) { return series(call, engine); });
  routes.add_json("/loki/api/v1/detected_labels",
                  [&engine](const ReadCall& call) { return detected_labels(call, engine); });
}

}  // namespace server
