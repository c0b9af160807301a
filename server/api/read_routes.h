// ReadRoutes: what Loki's read endpoints have in common. Each family of endpoints (query_routes.h, index_routes.h, ...)
// adds its handlers here.
//
// Life:    built before the server listens; what it is given outlives the router. The handlers keep what they capture.
// Thread:  add(): loop. Handlers run on a thread of the query scheduler, and begin when it is their turn.
// Answers: GET and POST forms; any other method is 405. An error becomes Loki's text alone with 400 for what will never
//          work, 499 cancelled, 503 try again, 504 query_timeout, 500 otherwise; 429 where a tenant has too many
//          queries waiting, or none allowed. Long answers in gzip for clients that take it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/http/http_form.h"
#include "pipeline/http/http_router.h"
#include "server/limits/limit_table.h"
#include "server/query/query_scheduler.h"

namespace server {

// Sets `tenant`, or answers why the request has none.
using TenantResolver =
    std::function<std::optional<pipeline::HttpResponse>(const pipeline::HttpRequest& request, std::string& tenant)>;

struct ReadRoutesOptions {
  QueryScheduler& scheduler;
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
  TenantResolver tenant;
  const LimitTable& limits;  // query_timeout, max_query_parallelism
  bool compressed = true;    // answers in gzip for those who take it
};

// What a handler gets: everything of the request that it needs.
struct ReadCall {
  pipeline::HttpRequest request;
  pipeline::HttpForm form;
  std::string tenant;
  QueryTurn* turn = nullptr;    // says when the client went away
  pipeline::UnixNanos now = 0;  // when the handler began
};

class ReadRoutes {
 public:
  ReadRoutes(pipeline::HttpRouter& router, ReadRoutesOptions options)
      : router_(router), options_(std::make_shared<const ReadRoutesOptions>(std::move(options))) {}

  using Handler = std::function<pipeline::Result<pipeline::HttpResponse>(const ReadCall& call)>;
  void add(std::string_view path, Handler handler);

  // A handler that answers with a JSON body.
  using JsonHandler = std::function<pipeline::Result<std::string>(const ReadCall& call)>;
  void add_json(std::string_view path, JsonHandler handler);

  // Answered on the loop: nothing is read. GET and POST, HEAD is 405.
  void add_direct(std::string_view path, std::function<pipeline::HttpResponse(const pipeline::HttpRequest&)> answer);

  pipeline::Registry& registry() const { return options_->registry; }

 private:
  pipeline::HttpRouter& router_;
  std::shared_ptr<const ReadRoutesOptions> options_;
};

pipeline::HttpResponse refusal(int status, std::string text);
pipeline::HttpResponse error_answer(const pipeline::Error& error);

}  // namespace server
