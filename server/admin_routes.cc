#include "server/admin_routes.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/version.h"
#include "server/api/compressed_answer.h"

namespace server {

using pipeline::concat;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;

namespace {

// One line a check: "wal: ok". Loki's answer is the bare word.
HttpResponse ready_answer(const AdminRoutesOptions& options, bool verbose) {
  struct Check {
    std::string_view name;
    std::optional<std::string> trouble;
  };
  std::optional<std::string> catalog_trouble;
  if (auto snapshot = options.catalog.snapshot(); !snapshot) catalog_trouble = snapshot.error().message;
  const Check checks[] = {{"catalogue", catalog_trouble}, {options.ingest.durable_place(), options.ingest.trouble()}};
  bool ready = true;
  std::string details;
  if (auto trouble = options.store.trouble(); trouble && verbose)
    details += concat("store: ", *trouble, "; queries are partial\n");
  if (auto progress = options.ingest.replay_progress(); progress && verbose)
    details += concat("replay: ", *progress, "; queries are partial\n");
  for (const Check& check : checks) {
    if (check.trouble) ready = false;
    if (check.trouble || verbose) details += concat(check.name, ": ", check.trouble.value_or("ok"), "\n");
  }
  if (ready) details += "ready\n";
  return HttpResponse::text(ready ? 200 : 503, std::move(details));
}

void add_store_metrics(const AdminRoutesOptions& options) {
  auto sum_of_live = [&catalog = options.catalog](auto of_row) {
    return [&catalog, of_row]() -> double {
      auto snapshot = catalog.snapshot();
      if (!snapshot) return 0;
      double sum = 0;
      for (const ObjectRow& row : (*snapshot)->objects) sum += of_row(row);
      return sum;
    };
  };
  auto& registry = options.registry;
  registry.gauge_callback("skidway_server_store_live_bytes", "Size of the live objects",
                          sum_of_live([](const ObjectRow& row) { return static_cast<double>(row.summary.size); }));
  registry.gauge_callback("skidway_server_store_live_raw_bytes", "Lines and metadata in the live objects, uncompressed",
                          sum_of_live([](const ObjectRow& row) { return static_cast<double>(row.summary.raw_bytes); }));
  registry.gauge_callback("skidway_server_store_live_objects", "Number of live objects",
                          sum_of_live([](const ObjectRow&) { return 1.0; }));
  registry
      .gauge(
          "skidway_server_build_info", "Which program this is",
          {{"version", std::string(pipeline::version_number())}, {"revision", std::string(pipeline::version_commit())}})
      .set(1);
}

}  // namespace

void add_admin_routes(pipeline::HttpRouter& router, AdminRoutesOptions options) {
  add_store_metrics(options);
  // Runs `answer` on the pool: it may read the disk.
  auto on_pool = [options](auto answer) {
    return [options, answer](HttpRequest request, HttpResponder responder) {
      auto shared = std::make_shared<HttpResponder>(std::move(responder));
      options.pool.run(
          [answer, request = std::move(request)] { return compressed_answer(request.headers, answer(request)); },
          [shared](pipeline::Result<HttpResponse> response) {
            shared->send(response ? *std::move(response)
                                  : HttpResponse::text(503, concat(response.error().message, "\n")));
          });
    };
  };
  router.route("GET", "/ready", on_pool([options](const HttpRequest& request) {
                 return ready_answer(options, request.query.find("verbose") != std::string::npos);
               }));
  router.route("GET", "/metrics", on_pool([options](const HttpRequest&) {
                 auto response = HttpResponse::text(200, options.registry.render());
                 response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
                 return response;
               }));
  for (const char* method : {"GET", "POST"}) {  // as Loki
    router.route(method, "/flush", [options](HttpRequest, HttpResponder responder) {
      options.ingest.flush([responder = std::move(responder)](pipeline::Result<void> flushed) mutable {
        responder.send(flushed ? HttpResponse::empty(204)
                               : HttpResponse::text(500, concat("flush: ", flushed.error().message, "\n")));
      });
    });
  }
  router.route("POST", "/compact", [options](HttpRequest, HttpResponder responder) {
    options.compactor.compact_all([responder = std::move(responder)](pipeline::Result<void> compacted) mutable {
      responder.send(compacted ? HttpResponse::empty(204)
                               : HttpResponse::text(500, concat("compact: ", compacted.error().message, "\n")));
    });
  });
}

}  // namespace server
