#include "server/api/query_routes.h"

#include <algorithm>

#include "server/api/loki_json.h"
#include "server/api/query_metrics.h"
#include "server/api/query_parameters.h"
#include "server/logql/parser.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpRequest;
using pipeline::Result;

namespace {

// "categorize-labels,other" as it was sent, split at commas and nothing else.
std::vector<std::string> listed(std::string_view rest) {
  std::vector<std::string> words;
  while (!rest.empty()) {
    size_t comma = std::min(rest.find(','), rest.size());
    words.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return words;
}

std::vector<std::string> encoding_flags(const HttpRequest& request) {
  return listed(request.headers.get("X-Loki-Response-Encoding-Flags"));
}

// Grafana's Logs Drilldown would rather see some of the series than an error.
bool cuts_series(const HttpRequest& request) {
  for (std::string word : listed(request.headers.get("X-Query-Tags"))) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (word == "source=grafana-lokiexplore-app") return true;
  }
  return false;
}

// As Loki understands it: this one value, in any case.
bool wants_anew(const ReadCall& call) {
  std::string value(call.request.headers.get("Cache-Control"));
  std::transform(value.begin(), value.end(), value.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return value == "no-cache";
}

bool wants_plan(const ReadCall& call) { return call.form.get("explain") == "true"; }

class QueryRoutes {
 public:
  QueryRoutes(QueryEngine& engine, pipeline::Registry& registry) : engine_(engine), metrics_(registry) {}

  Result<std::string> range(const ReadCall& call) {
    std::vector<std::string> flags = encoding_flags(call.request);
    bool categorize = std::find(flags.begin(), flags.end(), "categorize-labels") != flags.end();
    TRY_LET(QueryResult result, run_range(call, categorize));
    return query_answer(result, flags);
  }

  Result<std::string> instant(const ReadCall& call) {
    TRY_LET(InstantParameters p, parse_instant_parameters(call.form, call.now));
    InstantQuery query{call.tenant,      p.query,          p.time,  cuts_series(call.request),
                       wants_plan(call), wants_anew(call), call.now};
    TRY_LET(QueryResult result,
            counted(call, "instant", [&](const Expr&) { return engine_.instant(query, *call.turn); }));
    return query_answer(result, encoding_flags(call.request));
  }

  Result<std::string> legacy(const ReadCall& call) {
    TRY_LET(QueryResult result, run_range(call, false));
    const auto* streams = std::get_if<ResultStreams>(&result.data);
    if (streams == nullptr) return fail(Errc::kInvalid, "legacy endpoints only support streams result type");
    return with_warnings(legacy_streams_answer(*streams, result.stats), result.warnings);
  }

 private:
  Result<QueryResult> run_range(const ReadCall& call, bool categorize) {
    TRY_LET(RangeParameters p, parse_range_parameters(call.form, call.now));
    const auto limits = engine_.limits(call.tenant);
    const bool beyond = is_beyond_lookback(p.range, *limits, call.now);
    p.range = within_lookback(p.range, *limits, call.now);
    RangeQuery query{call.tenant,
                     p.query,
                     p.range.start,
                     p.range.end,
                     p.step,
                     {p.direction, p.limit, p.interval, categorize},
                     cuts_series(call.request),
                     wants_plan(call),
                     wants_anew(call),
                     call.now};
    return counted(call, "range", [&](const Expr& expr) -> Result<QueryResult> {
      if (beyond && expr.log() == nullptr)
        return QueryResult{ResultMatrix{{query.start, 1, 1}, {}}, {}, false, {}, 0, {}};
      return engine_.range(query, *call.turn);
    });
  }

  template <class Run>
  Result<QueryResult> counted(const ReadCall& call, std::string_view range, Run run) {
    TRY_LET(const Expr expr, parse_query(call.form.get("query")));
    const auto started = std::chrono::steady_clock::now();
    Result<QueryResult> result = run(expr);
    if (result) {
      metrics_.count(call.tenant, query_type(expr), range, *result);
    } else {
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
      metrics_.count_failed(query_type(expr), range, error_answer(result.error()).status, took.count());
    }
    return result;
  }

  QueryEngine& engine_;
  QueryMetrics metrics_;
};

}  // namespace

void add_query_routes(ReadRoutes& routes, QueryEngine& engine) {
  auto queries = std::make_shared<QueryRoutes>(engine, routes.registry());
  routes.add_json("/loki/api/v1/query_range", [queries](const ReadCall& call) { return queries->range(call); });
  routes.add_json("/loki/api/v1/query", [queries](const ReadCall& call) { return queries->instant(call); });
  routes.add_json("/api/prom/query", [queries](const ReadCall& call) { return queries->legacy(call); });
}

}  // namespace server
