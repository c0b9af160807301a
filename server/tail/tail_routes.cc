#include "server/tail/tail_routes.h"

#include "pipeline/http/http_form.h"
#include "pipeline/http/web_socket.h"
#include "server/tail/tail_session.h"

namespace server {

using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

namespace {

constexpr std::chrono::seconds kPingEvery{1};  // Loki's
constexpr size_t kThreads = 1;                 // that run the pipelines of live entries

HttpResponse answer(const std::shared_ptr<TailHouse>& house, const HttpRequest& request, bool legacy) {
  std::string tenant;
  if (auto refused = house->doors.tenant(request, tenant)) return *std::move(refused);
  auto form = HttpForm::of(request);
  if (!form) return HttpResponse::text(400, form.error().message);
  auto parsed =
      parse_tail_request(*form, request.headers.get("X-Loki-Response-Encoding-Flags"), house->doors.clock.wall());
  if (!parsed) return HttpResponse::text(400, parsed.error().message);
  parsed->tenant = std::move(tenant);
  parsed->legacy = legacy;
  auto session = TailSession::create(house, *std::move(parsed));
  if (!session) return HttpResponse::text(400, session.error().message);
  return pipeline::web_socket_answer(request, {.ping_every = kPingEvery, .cut_on_stop = true}, *std::move(session));
}

}  // namespace

TailRoutes::TailRoutes(pipeline::HttpRouter& router, TailDoors doors, uint64_t max_pending_bytes)
    : house_(std::make_shared<TailHouse>(TailHouse{doors,
                                                   max_pending_bytes,
                                                   TailMeters(doors.registry),
                                                   std::make_unique<pipeline::WorkerPool>(doors.loop, "tail", kThreads),
                                                   {}})) {
  for (const char* path : {"/loki/api/v1/tail", "/api/prom/tail"}) {
    const bool legacy = std::string_view(path) == "/api/prom/tail";
    for (const char* method : {"GET", "POST"}) {
      router.route(method, path, [house = house_, legacy](HttpRequest request, HttpResponder responder) {
        responder.send(answer(house, request, legacy));
      });
    }
  }
}

TailRoutes::~TailRoutes() { house_->pool.reset(); }

}  // namespace server
