// HttpListeners: HTTP servers that several sources share: a push and an OTLP source may listen on one address, and
// several of a kind where each has its own path prefix.
//
// Life:    the sources' mounts go before it; it is destroyed before the loop.
// Thread:  loop.
// Errors:  kInvalid: malformed address or certificates, two mounts that differ in TLS or limits, a path that is taken
//          already; kUnavailable: the address is taken.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"
#include "pipeline/http/http_server.h"
#include "pipeline/loop/loop.h"

namespace agent {

class HttpListeners {
 public:
  struct Options {
    std::string address;  // HOST:PORT
    pipeline::HttpServerTls tls = {};
    uint64_t max_body_bytes = 16 << 20;
  };
  struct Route {
    std::string path;  // exact; POST only
    std::string name;  // `route` of the metrics
  };

  // A place on an address: its requests come to the handler until it dies. Those being answered then still get their
  // answer, for up to kDrainTime.
  class Mount {
   public:
    virtual ~Mount() = default;
    virtual uint16_t port() const = 0;
  };
  static constexpr std::chrono::seconds kDrainTime{60};

  HttpListeners(pipeline::Loop& loop, pipeline::Registry& registry);
  ~HttpListeners();

  // GET /ready is answered on every address.
  pipeline::Result<std::unique_ptr<Mount>> mount(const Options& options, std::vector<Route> routes,
                                                 pipeline::HttpHandler handler);

 private:
  class Listener;
  class Place;
  void leave(Listener& listener, const std::vector<Route>& routes);

  pipeline::Loop& loop_;
  pipeline::Registry& registry_;
  std::map<std::string, std::unique_ptr<Listener>> listeners_;  // by address
  std::vector<std::unique_ptr<Listener>> draining_;
  std::shared_ptr<HttpListeners*> self_;  // watched by tasks posted to the loop
};

}  // namespace agent
