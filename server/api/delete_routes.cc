#include "server/api/delete_routes.h"

#include <algorithm>

#include "pipeline/base/concat.h"
#include "server/api/delete_request.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::Error;
using pipeline::fail;
using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {

constexpr std::string_view kPath = "/loki/api/v1/delete";
constexpr std::string_view kProcessed = "deletion of request which is in process or already processed is not allowed";

HttpResponse refused(const Error& error) {
  const int status = error.code == Errc::kInvalid ? 400 : error.code == Errc::kNotFound ? 404 : 503;
  return HttpResponse::text(status, concat(error.message, "\n"));
}

std::string go_duration(std::chrono::nanoseconds duration) {
  const int64_t seconds = duration.count() / 1'000'000'000;
  return concat(seconds / 3600, "h", seconds % 3600 / 60, "m", seconds % 60, "s");
}

// The tenant and the parameters of the URL (bodies do not count); or the answer that says what is wrong with them.
struct Call {
  std::string tenant;
  HttpForm parameters;
};
using Handler = std::function<void(Call, HttpResponder)>;

void add(pipeline::HttpRouter& router, const char* method, std::shared_ptr<const DeleteRoutesOptions> options,
         Handler handler) {
  router.route(
      method, std::string(kPath),
      [options = std::move(options), handler = std::move(handler)](HttpRequest request, HttpResponder responder) {
        Call call;
        if (auto answer = options->tenant(request, call.tenant)) return responder.send(*std::move(answer));
        if (!options->may_delete(call.tenant))
          return responder.send(HttpResponse::text(403, "deletion is not available for this tenant\n"));
        auto form = HttpForm::parse(request.query);
        if (!form) return responder.send(refused(form.error()));
        call.parameters = *std::move(form);
        handler(std::move(call), std::move(responder));
      });
}

void accept(const std::shared_ptr<const DeleteRoutesOptions>& options, Call call, HttpResponder responder) {
  auto request = parse_delete_request(call.parameters, std::move(call.tenant), options->clock.wall());
  if (!request) return responder.send(refused(request.error()));
  options->flush(
      [options, request = *std::move(request), responder = std::move(responder)](Result<void> flushed) mutable {
        if (!flushed) return responder.send(refused({Errc::kUnavailable, concat("delete: ", flushed.error().message)}));
        const std::string id = request.id;
        auto accepted = options->keeper.accept(std::move(request));
        options->roll_log();
        if (!accepted)
          return responder.send(refused({Errc::kUnavailable, concat("delete: ", accepted.error().message)}));
        HttpResponse answer = HttpResponse::empty(204);
        answer.headers.set("X-Delete-Request-ID", id);
        responder.send(std::move(answer));
      });
}

Result<HttpResponse> list(const DeleteRoutesOptions& options, const Call& call) {
  TRY_LET(auto requests, options.catalog.deletes());
  TRY_LET(requests, filter_deletes(std::move(requests), call.tenant, call.parameters));
  return HttpResponse::json(deletes_answer(requests));
}

Result<HttpResponse> cancel(const DeleteRoutesOptions& options, const Call& call) {
  const std::string_view id = call.parameters.get("request_id");
  const bool force = call.parameters.get("force") == "true";
  TRY_LET(auto requests, options.catalog.deletes());
  auto found = std::find_if(requests.begin(), requests.end(), [&](const DeleteRequest& request) {
    return request.tenant == call.tenant && request.id == id;
  });
  if (found == requests.end()) return fail(Errc::kNotFound, "could not find delete request with given id");
  if (found->processed != 0) return fail(Errc::kInvalid, std::string(kProcessed));
  const auto period = options.keeper.options().cancel_period;
  if (!force && options.clock.wall() - found->created >= period.count()) {
    return fail(Errc::kInvalid,
                concat("Cancellation of partially completed delete request or delete request past the deadline of ",
                       go_duration(period),
                       " since its creation is not allowed. To force, use the ?force query "
                       "parameter"));
  }
  TRY(options.keeper.cancel(*found));
  return HttpResponse::empty(204);
}

}  // namespace

void add_delete_routes(pipeline::HttpRouter& router, DeleteRoutesOptions given) {
  auto options = std::make_shared<const DeleteRoutesOptions>(std::move(given));
  auto on_pool = [options](auto answer) {
    return [options, answer](Call call, HttpResponder responder) {
      auto shared = std::make_shared<HttpResponder>(std::move(responder));
      options->pool.run([options, answer, call = std::move(call)] { return answer(*options, call); },
                        [shared](Result<HttpResponse> response) {
                          shared->send(response ? *std::move(response) : refused(response.error()));
                        });
    };
  };
  for (const char* method : {"PUT", "POST"}) {
    add(router, method, options,
        [options](Call call, HttpResponder responder) { accept(options, std::move(call), std::move(responder)); });
  }
  add(router, "GET", options, on_pool(list));
  add(router, "DELETE", options, on_pool(cancel));
}

}  // namespace server
