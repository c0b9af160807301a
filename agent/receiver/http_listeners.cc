#include "agent/receiver/http_listeners.h"

#include <algorithm>

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::HttpHandler;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::HttpServer;
using pipeline::HttpServerOptions;
using pipeline::Result;

namespace {
// Bodies being received or waiting for their settlement, beyond one of the largest.
constexpr uint64_t kUnderwayBytes = 16 << 20;

bool same(const HttpListeners::Options& a, const HttpListeners::Options& b) {
  return a.tls.cert_file == b.tls.cert_file && a.tls.key_file == b.tls.key_file &&
         a.tls.client_ca_file == b.tls.client_ca_file && a.max_body_bytes == b.max_body_bytes;
}

std::vector<double> request_seconds() { return {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25, 50, 100}; }
}  // namespace

class HttpListeners::Listener {
 public:
  Listener(Options options, pipeline::Registry& registry) : options_(std::move(options)), registry_(registry) {}

  Result<void> listen(pipeline::Loop& loop) {
    HttpServerOptions options;
    options.address = options_.address;
    options.tls = options_.tls;
    options.max_body_bytes = options_.max_body_bytes;
    options.max_underway_bytes = options_.max_body_bytes + kUnderwayBytes;
    options.metrics_prefix = "skidway_agent_receiver";
    options.answered = [this](const pipeline::HttpAnswered& what) { count(what); };
    TRY_LET(server_, HttpServer::listen(loop, registry_, std::move(options),
                                        [this](HttpRequest request, HttpResponder responder) {
                                          handle(std::move(request), std::move(responder));
                                        }));
    return {};
  }

  Result<void> add(const std::vector<Route>& routes, const HttpHandler& handler) {
    for (const Route& route : routes)
      if (places_.count(route.path) != 0)
        return fail(Errc::kInvalid, concat("listen ", options_.address, ": another source receives at ", route.path,
                                           " there; give this one a path_prefix or another address"));
    for (const Route& route : routes) places_[route.path] = {route.name, handler};
    return {};
  }
  void remove(const std::vector<Route>& routes) {
    for (const Route& route : routes) places_.erase(route.path);
  }

  bool unused() const { return places_.empty(); }
  const Options& options() const { return options_; }
  HttpServer& server() { return *server_; }

 private:
  struct Taker {
    std::string name;
    HttpHandler handler;
  };

  void handle(HttpRequest request, HttpResponder responder) {
    if (request.path == "/ready") {
      responder.set_route("ready");
      bool asked = request.method == "GET" || request.method == "HEAD";
      return responder.send(asked ? HttpResponse::text(200, "ready\n") : HttpResponse::empty(405));
    }
    auto found = places_.find(request.path);
    if (found == places_.end()) return responder.send(HttpResponse::text(404, "404 page not found\n"));
    responder.set_route(found->second.name);
    if (request.method != "POST") return responder.send(HttpResponse::empty(405));
    HttpHandler handler = found->second.handler;  // it may take its own place away
    handler(std::move(request), std::move(responder));
  }

  // As the HTTP server inside Alloy's loki.source.api counts.
  void count(const pipeline::HttpAnswered& what) {
    registry_
        .histogram("loki_source_api_request_duration_seconds", "Time from a request's last byte to its answer.",
                   request_seconds(),
                   {{"method", std::string(what.method)},
                    {"route", std::string(what.route)},
                    {"status_code", std::to_string(what.status)},
                    {"ws", "false"}})
        .observe(std::chrono::duration<double>(what.took).count());
  }

  const Options options_;
  pipeline::Registry& registry_;
  std::unique_ptr<HttpServer> server_;
  std::map<std::string, Taker> places_;  // by path
};

class HttpListeners::Place final : public HttpListeners::Mount {
 public:
  Place(std::weak_ptr<HttpListeners*> owner, Listener& listener, std::vector<Route> routes)
      : owner_(std::move(owner)), listener_(listener), routes_(std::move(routes)), port_(listener.server().port()) {}
  ~Place() override {
    if (auto owner = owner_.lock()) (*owner)->leave(listener_, routes_);
  }
  uint16_t port() const override { return port_; }

 private:
  const std::weak_ptr<HttpListeners*> owner_;
  Listener& listener_;
  const std::vector<Route> routes_;
  const uint16_t port_;
};

HttpListeners::HttpListeners(pipeline::Loop& loop, pipeline::Registry& registry)
    : loop_(loop), registry_(registry), self_(std::make_shared<HttpListeners*>(this)) {}
HttpListeners::~HttpListeners() = default;

Result<std::unique_ptr<HttpListeners::Mount>> HttpListeners::mount(const Options& options, std::vector<Route> routes,
                                                                   HttpHandler handler) {
  auto found = listeners_.find(options.address);
  if (found == listeners_.end()) {
    auto listener = std::make_unique<Listener>(options, registry_);
    TRY(listener->listen(loop_));
    found = listeners_.emplace(options.address, std::move(listener)).first;
  }
  Listener& listener = *found->second;
  if (!same(listener.options(), options))
    return fail(Errc::kInvalid,
                concat("listen ", options.address,
                       ": another source listens there with other tls or max_body_size; make them equal"));
  TRY(listener.add(routes, handler));
  return std::unique_ptr<Mount>(std::make_unique<Place>(self_, listener, std::move(routes)));
}

// The last one closes the address at once, so that somebody else can have it.
void HttpListeners::leave(Listener& listener, const std::vector<Route>& routes) {
  listener.remove(routes);
  if (!listener.unused()) return;
  auto found =
      std::find_if(listeners_.begin(), listeners_.end(), [&](auto& entry) { return entry.second.get() == &listener; });
  draining_.push_back(std::move(found->second));
  listeners_.erase(found);
  listener.server().stop(kDrainTime, [weak = std::weak_ptr<HttpListeners*>(self_), gone = &listener] {
    if (auto self = weak.lock()) std::erase_if((*self)->draining_, [&](auto& l) { return l.get() == gone; });
  });
}

}  // namespace agent
