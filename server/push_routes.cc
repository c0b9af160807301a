#include "server/push_routes.h"

#include "pipeline/base/concat.h"

namespace server {

using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::HttpRouter;

namespace {

// A version whose clients are content with what is here.
constexpr const char* kWelcome =
    R"({"name":"skidway","cluster_name":"skidway","cluster_uuid":"skidway","version":{"number":"8.11.0","build_flavor":"default",)"
    R"("build_type":"tar","build_hash":"skidway","build_date":"2026-01-01T00:00:00Z","build_snapshot":false,)"
    R"("lucene_version":"9.8.0","minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},)"
    R"("tagline":"You Know, for Search"})";
constexpr const char* kLicense =
    R"({"license":{"status":"active","uid":"skidway","type":"basic","issue_date_in_millis":0}})";

// What clients ask and set up at their start. Templates and policies are accepted and mean nothing here.
void add_elasticsearch_answers(HttpRouter& router) {
  auto answer = [&router](const char* method, const char* path, std::string body) {
    router.route(method, path, [body = std::move(body)](HttpRequest, HttpResponder responder) {
      HttpResponse response = HttpResponse::json(body);
      response.headers.set("Content-Type", "application/json");
      response.headers.add("X-Elastic-Product", "Elasticsearch");
      responder.send(std::move(response));
    });
  };
  for (const char* path : {"/elasticsearch", "/elasticsearch/"}) answer("GET", path, kWelcome);
  answer("GET", "/elasticsearch/_license", kLicense);
  answer("GET", "/elasticsearch/_xpack", R"({"license":{"status":"active","type":"basic"},"features":{}})");
  answer("GET", "/elasticsearch/_cluster/health", R"({"cluster_name":"skidway","status":"green","timed_out":false})");
  answer("GET", "/elasticsearch/_nodes", R"({"cluster_name":"skidway","nodes":{}})");
  answer("GET", "/elasticsearch/_nodes/http", R"({"cluster_name":"skidway","nodes":{}})");
  for (const char* path : {"/elasticsearch/_ilm/policy/{name}", "/elasticsearch/_index_template/{name}",
                           "/elasticsearch/_component_template/{name}", "/elasticsearch/_template/{name}",
                           "/elasticsearch/_ingest/pipeline/{name}", "/elasticsearch/_data_stream/{name}"}) {
    answer("GET", path, "{}");
    answer("PUT", path, R"({"acknowledged":true})");
  }
}

}  // namespace

void add_push_routes(HttpRouter& router, Ingest& ingest, TenantResolver tenant) {
  auto push = [&](const char* method, const char* path, PushProtocol protocol) {
    router.route(method, path, [&ingest, tenant, protocol](HttpRequest request, HttpResponder responder) {
      std::string id;
      if (auto refused = tenant(request, id)) return responder.send(*std::move(refused));
      ingest.handle_push(protocol, std::move(id), std::move(request), std::move(responder));
    });
  };
  push("POST", "/loki/api/v1/push", PushProtocol::kLoki);
  push("POST", "/api/prom/push", PushProtocol::kLegacyLoki);
  push("POST", "/otlp/v1/logs", PushProtocol::kLokiOtlp);
  push("POST", "/v1/logs", PushProtocol::kOtlp);
  push("POST", "/api/v1/jsonl", PushProtocol::kJsonLines);
  for (const char* method : {"POST", "PUT"}) {
    push(method, "/elasticsearch/_bulk", PushProtocol::kElasticsearch);
    push(method, "/elasticsearch/{index}/_bulk", PushProtocol::kElasticsearch);
  }
  add_elasticsearch_answers(router);
}

}  // namespace server
