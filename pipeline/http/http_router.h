// HttpRouter: finds the handler of a method and path.
//
//   HttpRouter router;
//   router.route("GET", "/loki/api/v1/label/{name}/values", [&](HttpRequest request, HttpResponder responder) { ... });
//   HttpServer::listen(loop, registry, options, router.handler());
//
// Life:    built first, read-only afterwards; handler() shares what was routed until then.
// Thread:  loop.
// Answers: unknown path: 404 "404 page not found\n"; known path, other method: 405 and an empty body; an unknown path
//          with empty, "." or ".." segments: 301 to the path without them. HEAD is answered by the GET handler. A
//          {name} part matches one non-empty path segment, "{name...}" at the end the rest. Exact parts win over
//          {name} parts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "pipeline/http/http_server.h"

namespace pipeline {

class HttpRouter {
 public:
  HttpRouter();
  void route(std::string_view method, std::string_view pattern, HttpHandler handler);

  void dispatch(HttpRequest request, HttpResponder responder) const;
  HttpHandler handler() const;

 private:
  struct Table;
  std::shared_ptr<Table> table_;
};

}  // namespace pipeline
