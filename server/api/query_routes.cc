#include "server/api/query_routes.h"

#include "pipeline/base/version.h"
#include "pipeline/http/http_form.h"
#include "server/api/loki_json.h"
#include "server/api/query_parameters.h"

namespace server {

using pipeline::Counter;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Histogram;
using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::HttpRouter;
using pipeline::Result;

namespace {

HttpResponse error_answer(const pipeline::Error& error) {
  int status = 500;
  switch (error.code) {
    case Errc::kInvalid:
    case Errc::kOverLimit: status = 400; break;
    case Errc::kCancelled: status = 499; break;
    case Errc::kUnavailable: status = 503; break;
    case Errc::kNotFound:
    case Errc::kCorrupt:
    case Errc::kIo: break;
  }
  HttpResponse answer = HttpResponse::text(status, error.message);
  answer.headers.set("X-Content-Type-Options", "nosniff");
  return answer;
}

// "categorize-labels,other" as it was sent, split at commas and nothing else.
std::vector<std::string> encoding_flags(const HttpRequest& request) {
  std::vector<std::string> flags;
  std::string_view rest = request.headers.get("X-Loki-Response-Encoding-Flags");
  while (!rest.empty()) {
    size_t comma = std::min(rest.find(','), rest.size());
    flags.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return flags;
}

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
        queue_seconds(registry.histogram("skidway_server_query_queue_seconds", "Time that queries waited for a worker.",
                                         pipeline::latency_buckets())) {}

  void count(const QueryResult& result) {
    const QueryStats& s = result.stats;
    entries.add(s.store_lines + s.head_lines);
    bytes.add(s.decompressed_bytes + s.head_bytes);
    duplicates.add(s.duplicates);
    if (!result.warnings.empty()) partial.add();
    seconds.observe(s.exec_seconds);
    queue_seconds.observe(s.queue_seconds);
  }
};

class QueryRoutes : public std::enable_shared_from_this<QueryRoutes> {
 public:
  explicit QueryRoutes(QueryRoutesOptions options) : options_(std::move(options)), meters_(options_.registry) {}

  void add_to(HttpRouter& router) {
    read(router, "/loki/api/v1/query_range", &QueryRoutes::query_range);
    read(router, "/loki/api/v1/query", &QueryRoutes::query);
    read(router, "/loki/api/v1/labels", &QueryRoutes::labels);
    read(router, "/loki/api/v1/label", &QueryRoutes::labels);
    read(router, "/loki/api/v1/label/{name}/values", &QueryRoutes::label_values);
    read(router, "/loki/api/v1/series", &QueryRoutes::series);
    router.route("GET", "/loki/api/v1/status/buildinfo", [](HttpRequest, HttpResponder responder) {
      responder.send(HttpResponse::json(
          pipeline::concat(R"({"version":"3.7.0","revision":")", pipeline::version_commit(),
                           R"(","branch":"HEAD","buildUser":"","buildDate":"","goVersion":"","skidwayVersion":")",
                           pipeline::version_number(), "\"}")));
    });
  }

 private:
  // What a handler gets on a worker: everything of the request that it needs.
  struct Call {
    HttpRequest request;
    HttpForm form;
    std::string tenant;
    std::shared_ptr<const std::atomic<bool>> cancelled;
    double queue_seconds = 0;
  };
  using Method = Result<std::string> (QueryRoutes::*)(const Call& call);  // a JSON body

  void read(HttpRouter& router, std::string_view path, Method method) {
    for (const char* verb : {"GET", "POST"}) {
      router.route(verb, path, [self = shared_from_this(), method](HttpRequest request, HttpResponder responder) {
        self->start(method, std::move(request), std::move(responder));
      });
    }
  }

  void start(Method method, HttpRequest request, HttpResponder responder) {
    Call call;
    if (auto refused = options_.tenant(request, call.tenant)) return responder.send(*std::move(refused));
    auto form = HttpForm::of(request);
    if (!form) return responder.send(error_answer(form.error()));
    call.form = *std::move(form);
    call.request = std::move(request);
    call.cancelled = responder.disconnected_flag();
    auto queued = options_.clock.monotonic();
    auto shared = std::make_shared<HttpResponder>(std::move(responder));
    options_.pool.run(
        [self = shared_from_this(), method, call = std::move(call), shared, queued]() mutable -> Result<void> {
          call.queue_seconds = std::chrono::duration<double>(self->options_.clock.monotonic() - queued).count();
          auto body = ((*self).*method)(call);
          shared->send(body ? HttpResponse::json(*std::move(body)) : error_answer(body.error()));
          return {};
        },
        [shared](Result<void> outcome) {
          if (!outcome) shared->send(error_answer(outcome.error()));  // the pool stopped before the query began
        });
  }

  std::string answer(const Call& call, QueryResult result) {
    result.stats.queue_seconds = call.queue_seconds;
    meters_.count(result);
    return query_answer(result, encoding_flags(call.request));
  }

  Result<std::string> query_range(const Call& call) {
    TRY_LET(RangeParameters p, parse_range_parameters(call.form, options_.clock.wall()));
    std::vector<std::string> flags = encoding_flags(call.request);
    RangeQuery query{call.tenant, p.query, p.range.start,
                     p.range.end, p.step,  {p.direction, p.limit, p.interval, false}};
    query.log.categorize_labels = std::find(flags.begin(), flags.end(), "categorize-labels") != flags.end();
    TRY_LET(QueryResult result, options_.engine.range(query, *call.cancelled));
    return answer(call, std::move(result));
  }

  Result<std::string> query(const Call& call) {
    TRY_LET(InstantParameters p, parse_instant_parameters(call.form, options_.clock.wall()));
    TRY_LET(QueryResult result, options_.engine.instant({call.tenant, p.query, p.time}, *call.cancelled));
    return answer(call, std::move(result));
  }

  Result<StreamQuery> stream_query(const Call& call) {
    TRY_LET(TimeRange range, parse_time_range(call.form, options_.clock.wall()));
    if (range.end < range.start) {
      return fail(Errc::kInvalid, "this data is no longer available, it is past now - max_query_lookback (0s)");
    }
    return StreamQuery{call.tenant, {}, range.start, range.end};
  }

  Result<std::string> labels(const Call& call) {
    TRY_LET(StreamQuery query, stream_query(call));
    if (std::string_view selector = call.form.get("query"); !selector.empty()) query.selectors.emplace_back(selector);
    TRY_LET(auto names, options_.engine.label_names(query));
    return names_answer(names);
  }

  Result<std::string> label_values(const Call& call) {
    TRY_LET(StreamQuery query, stream_query(call));
    if (std::string_view selector = call.form.get("query"); !selector.empty()) query.selectors.emplace_back(selector);
    TRY_LET(auto values, options_.engine.label_values(query, call.request.path_value("name")));
    return names_answer(values);
  }

  Result<std::string> series(const Call& call) {
    TRY_LET(StreamQuery query, stream_query(call));
    for (const char* name : {"match", "match[]"}) {
      for (std::string_view selector : call.form.all(name)) query.selectors.emplace_back(selector);
    }
    if (query.selectors.size() == 1 && query.selectors[0] == "{}") query.selectors.clear();
    for (const std::string& selector : query.selectors) {
      if (selector == "{}") return fail(Errc::kInvalid, "0 matchers in group: {}");
    }
    TRY_LET(auto found, options_.engine.series(query));
    return series_answer(found);
  }

  QueryRoutesOptions options_;
  Meters meters_;
};

}  // namespace

void add_query_routes(HttpRouter& router, QueryRoutesOptions options) {
  std::make_shared<QueryRoutes>(std::move(options))->add_to(router);
}

}  // namespace server
