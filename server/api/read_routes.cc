#include "server/api/read_routes.h"

#include "server/api/compressed_answer.h"
#include "server/query/limited_turn.h"

namespace server {

using pipeline::Errc;
using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::Result;

namespace {

void run(const ReadRoutesOptions& options, const std::shared_ptr<const ReadRoutes::Handler>& handler,
         HttpRequest request, HttpResponder responder) {
  ReadCall call;
  if (auto refused = options.tenant(request, call.tenant)) return responder.send(*std::move(refused));
  auto form = HttpForm::of(request);
  if (!form) return responder.send(error_answer(form.error()));
  call.form = *std::move(form);
  call.request = std::move(request);
  const auto limits = options.limits.of(call.tenant);
  if (limits->max_query_parallelism == 0)
    return responder.send(refusal(429, "querying is disabled, please contact your Loki operator"));
  std::string tenant = call.tenant;
  QueryScheduler::Flag cancelled = responder.disconnected_flag();
  auto shared = std::make_shared<HttpResponder>(std::move(responder));
  auto accepted = options.scheduler.submit(
      std::move(tenant), std::move(cancelled),
      [&clock = options.clock, compressed = options.compressed, limits, handler, call = std::move(call),
       shared](QueryTurn& turn) mutable {
        if (auto began = turn.breathe(); !began) return shared->send(error_answer(began.error()));
        const auto timeout = limits->query_timeout;
        LimitedTurn limited(turn, clock, timeout.count() == 0 ? timeout : clock.monotonic() + timeout,
                            static_cast<size_t>(limits->max_query_parallelism));
        call.turn = &limited;
        call.now = clock.wall();
        auto answer = (*handler)(call);
        if (!answer) return shared->send(error_answer(answer.error()));
        shared->send(compressed ? compressed_answer(call.request.headers, *std::move(answer)) : *std::move(answer));
      });
  if (accepted) return;
  HttpResponse answer = error_answer(accepted.error());
  if (accepted.error().code == Errc::kOverLimit) answer.status = 429;
  shared->send(std::move(answer));
}

void refuse_head(pipeline::HttpRouter& router, std::string_view path) {
  router.route("HEAD", path, [](HttpRequest, HttpResponder responder) { responder.send(HttpResponse::empty(405)); });
}

}  // namespace

HttpResponse refusal(int status, std::string text) {
  HttpResponse answer = HttpResponse::text(status, std::move(text));
  answer.headers.set("X-Content-Type-Options", "nosniff");
  return answer;
}

HttpResponse error_answer(const pipeline::Error& error) {
  int status = 500;
  switch (error.code) {
    case Errc::kInvalid:
    case Errc::kOverLimit: status = 400; break;
    case Errc::kCancelled: status = error.message == kQueryTimedOut ? 504 : 499; break;
    case Errc::kUnavailable: status = 503; break;
    case Errc::kNotFound:
    case Errc::kCorrupt:
    case Errc::kIo: break;
  }
  return refusal(status, error.message);
}

void ReadRoutes::add(std::string_view path, Handler handler) {
  auto shared = std::make_shared<const Handler>(std::move(handler));
  for (const char* verb : {"GET", "POST"}) {
    router_.route(verb, path, [options = options_, shared](HttpRequest request, HttpResponder responder) {
      run(*options, shared, std::move(request), std::move(responder));
    });
  }
  refuse_head(router_, path);
}

void ReadRoutes::add_json(std::string_view path, JsonHandler handler) {
  add(path, [handler = std::move(handler)](const ReadCall& call) -> Result<HttpResponse> {
    TRY_LET(std::string body, handler(call));
    return HttpResponse::json(std::move(body));
  });
}

void ReadRoutes::add_direct(std::string_view path, std::function<HttpResponse(const HttpRequest&)> answer) {
  for (const char* verb : {"GET", "POST"}) {
    router_.route(verb, path,
                  [answer](HttpRequest request, HttpResponder responder) { responder.send(answer(request)); });
  }
  refuse_head(router_, path);
}

}  // namespace server
