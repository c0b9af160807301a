#include "server/api/status_routes.h"

#include "pipeline/base/version.h"
#include "server/api/loki_json.h"
#include "server/logql/parser.h"
#include "server/logql/pretty_text.h"

namespace server {

using pipeline::concat;
using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::HttpRouter;

namespace {

// Its errors are JSON, unlike those of all other read endpoints.
HttpResponse format_query(const HttpRequest& request) {
  auto form = HttpForm::of(request);
  auto expr = form ? parse_query(form->get("query")) : pipeline::Result<Expr>(pipeline::fail(form.error()));
  std::string body = expr ? R"({"status":"success","data":)" : R"({"status":"invalid-query","error":)";
  append_json_text(body, expr ? pretty_text(*expr) : expr.error().message, JsonText::kLine);
  HttpResponse answer = HttpResponse::json(body + "}\n");
  answer.status = expr ? 200 : 400;
  answer.headers.set("Content-Type", "application/json; charset=utf-8");
  return answer;
}

HttpResponse build_info() {
  return HttpResponse::json(
      concat(R"({"version":")", kLokiVersion, R"(","revision":")", pipeline::version_commit(),
             R"(","branch":"HEAD","buildUser":"","buildDate":"","goVersion":"","skidwayVersion":")",
             pipeline::version_number(), "\"}"));
}

// The tenant is read straight from the header: without one there are no limits to show, tenancy or not.
template <class Answer>
HttpResponse for_tenant(const HttpRequest& request, Answer&& answer) {
  std::string_view tenant = request.headers.get("X-Scope-OrgID");
  return tenant.empty() ? HttpResponse::text(401, "no org id\n") : answer(tenant);
}

// Rules are not evaluated here: what a Loki without rules, whose rules nobody may write, answers.
void add_rule_probes(HttpRouter& router) {
  auto get = [&router](const char* path, HttpResponse answer) {
    router.route("GET", path, [answer](HttpRequest, HttpResponder responder) { responder.send(answer); });
  };
  for (const char* prefix : {"/loki/api/v1/rules", "/api/prom/rules"}) {
    get(prefix, HttpResponse::text(404, "no rule groups found\n"));
    get(concat(prefix, "/{namespace}").c_str(), HttpResponse::text(404, "no rule groups found\n"));
    get(concat(prefix, "/{namespace}/{group}").c_str(),
        HttpResponse::text(400, "GetRuleGroup unsupported in rule local store\n"));
  }
  get("/prometheus/api/v1/rules",
      HttpResponse::json(R"({"status":"success","data":{"groups":[]},"errorType":"","error":""})"));
  get("/prometheus/api/v1/alerts",
      HttpResponse::json(R"({"status":"success","data":{"alerts":[]},"errorType":"","error":""})"));
}

}  // namespace

void add_status_routes(HttpRouter& router, ReadRoutes& routes, StatusRoutesOptions options) {
  auto get = [&router](const char* path, auto answer) {
    router.route("GET", path,
                 [answer](HttpRequest request, HttpResponder responder) { responder.send(answer(request)); });
  };
  routes.add_direct("/loki/api/v1/format_query", format_query);
  get("/loki/api/v1/status/buildinfo", [](const HttpRequest&) { return build_info(); });
  get("/loki/api/v1/drilldown-limits", [texts = options.drilldown_limits](const HttpRequest& request) {
    return for_tenant(request, [&](auto tenant) { return HttpResponse::json(drilldown_limits_answer(texts(tenant))); });
  });
  get("/config/tenant/v1/limits", [texts = options.all_limits](const HttpRequest& request) {
    return for_tenant(request, [&](auto tenant) { return HttpResponse::text(200, limits_yaml(texts(tenant))); });
  });
  get("/config", [text = options.config](const HttpRequest&) { return HttpResponse::text(200, text); });
  get("/services", [](const HttpRequest&) {
    return HttpResponse::text(200, "ingest => Running\ncompact => Running\nquery => Running\nserver => Running\n");
  });
  add_rule_probes(router);
}

}  // namespace server
