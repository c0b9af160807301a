#include "server/api/query_routes.h"

#include <algorithm>

#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"

namespace server {

using pipeline::Counter;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Histogram;
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

bool wants_plan(const ReadCall& call) { return call.form.get("explain") == "true"; }

struct Meters {
  Counter& entries;
  Counter& bytes;
  Counter& duplicates;
  Counter& partial;
  Histogram& seconds;
  Histogram& queue_seconds;

  explicit Meters(pipeline::Registry& registry)
      : entries(registry.counter("skidway_server_query_entries_scanned_total", "Entries that queries looked at.")),
        bytes(registry.counter("skidway_server_query_bytes_scanned_total",
                               "Bytes that queries decompressed or searched.")),
        duplicates(
            registry.counter("skidway_server_query_duplicates_total", "Entries met more than once and counted once.")),
        partial(registry.counter("skidway_server_query_partial_total",
                                 "Answers with a warning, because something could not be read.")),
        seconds(registry.histogram("skidway_server_query_seconds", "Execution time of queries.",
                                   pipeline::latency_buckets())),
        queue_seconds(registry.histogram("skidway_server_query_queue_seconds", "Time that queries waited for others.",
                                         pipeline::latency_buckets())) {}

  void count(const QueryResult& result) {
    const QueryStats& s = result.stats;
    entries.add(s.store_lines + s.head_lines);
    bytes.add(s.decompressed_bytes + s.head_bytes);
    duplicates.add(s.duplicates);
    if (result.partial) partial.add();
    seconds.observe(s.exec_seconds);
    queue_seconds.observe(s.queue_seconds);
  }
};

class QueryRoutes {
 public:
  QueryRoutes(QueryEngine& engine, pipeline::Registry& registry) : engine_(engine), meters_(registry) {}

  Result<std::string> range(const ReadCall& call) {
    std::vector<std::string> flags = encoding_flags(call.request);
    bool categorize = std::find(flags.begin(), flags.end(), "categorize-labels") != flags.end();
    TRY_LET(QueryResult result, run_range(call, categorize));
    return query_answer(result, flags);
  }

  Result<std::string> instant(const ReadCall& call) {
    TRY_LET(InstantParameters p, parse_instant_parameters(call.form, call.now));
    InstantQuery query{call.tenant, p.query, p.time, cuts_series(call.request), wants_plan(call)};
    TRY_LET(QueryResult result, engine_.instant(query, *call.turn));
    meters_.count(result);
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
    RangeQuery query{call.tenant,
                     p.query,
                     p.range.start,
                     p.range.end,
                     p.step,
                     {p.direction, p.limit, p.interval, categorize},
                     cuts_series(call.request),
                     wants_plan(call)};
    TRY_LET(QueryResult result, engine_.range(query, *call.turn));
    meters_.count(result);
    return result;
  }

  QueryEngine& engine_;
  Meters meters_;
};

}  // namespace

void add_query_routes(ReadRoutes& routes, QueryEngine& engine) {
  auto queries = std::make_shared<QueryRoutes>(engine, routes.registry());
  routes.add_json("/loki/api/v1/query_range", [queries](const ReadCall& call) { return queries->range(call); });
  routes.add_json("/loki/api/v1/query", [queries](const ReadCall& call) { return queries->instant(call); });
  routes.add_json("/api/prom/query", [queries](const ReadCall& call) { return queries->legacy(call); });
}

}  // namespace server
