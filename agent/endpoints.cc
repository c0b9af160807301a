#include "agent/endpoints.h"

#include <map>

#include "agent/ledger/stream_standing.h"
#include "agent/target_text.h"
#include "pipeline/base/concat.h"
#include "pipeline/http/http_form.h"
#include "pipeline/http/http_router.h"

namespace agent {

using pipeline::concat;
using pipeline::HttpForm;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::HttpServer;
using pipeline::Registry;
using pipeline::Result;

namespace {
HttpResponse ready(const HttpRequest& request, const Agent& agent, const Reloader& reloader) {
  std::string unready = agent.unready();
  int status = unready.empty() ? 200 : 503;
  auto form = HttpForm::of(request);
  if (!form || !form->has("verbose"))
    return HttpResponse::text(status, unready.empty() ? "ready\n" : concat(unready, "\n"));
  std::string out;
  for (const Agent::Check& check : agent.checks()) out += concat(check.passed ? "ok   " : "wait ", check.name, "\n");
  for (const std::string& warning : agent.warnings()) out += concat("warn ", warning, "\n");
  if (reloader.fault())
    out +=
        concat("warn the last reload failed, the configuration of before goes on:\n", reloader.fault()->message, "\n");
  return HttpResponse::text(status, out);
}

HttpResponse reload(Reloader& reloader) {
  auto outcome = reloader.reload();
  if (outcome) return HttpResponse::text(200, "config reloaded\n");
  int status = outcome.error().code == pipeline::Errc::kInvalid ? 400 : 503;
  if (outcome.error().code == pipeline::Errc::kNotFound || outcome.error().code == pipeline::Errc::kIo) status = 500;
  return HttpResponse::text(status, concat(outcome.error().message, "\n"));
}

const SourceOptions* stream_source(const LedgerView& view, const std::string& name) {
  for (const auto& source : view.sources)
    if (source && source->type == SourceType::kStream && source->name == name) return source.get();
  return nullptr;
}

HttpResponse targets(const HttpRequest& request, const Agent& agent) {
  auto form = HttpForm::of(request);
  bool json = (form && form->get("format") == "json") ||
              request.headers.get("Accept").find("application/json") != std::string_view::npos;
  std::vector<Target> all = agent.targets();
  if (!json) return {200, {{"Content-Type", "text/html; charset=utf-8"}}, targets_page(all, agent.progress())};
  std::string out = "[";
  LedgerView view = agent.ledger_view();
  std::map<std::string, FileId> newest;  // the file of today, by source and path
  for (const auto& [id, record] : view.files) newest[concat(record.source, "\n", record.path)] = id;
  for (const Target& target : all) {
    out += concat(out.size() > 1 ? ",\n" : "", target_json(target));
    if (auto source = stream_source(view, target.source)) {
      const StreamStanding standing = standing_of(view, *source, &target);
      out.pop_back();
      out += concat(",\"received\":{\"entries\":", standing.received.entries, ",\"bytes\":", standing.received.bytes,
                    "},\"sinks\":", stream_sinks_json(standing.sinks), "}");
      continue;
    }
    auto file = newest.find(concat(target.source, "\n", target.path));
    if (file == newest.end()) continue;
    FileStanding standing = standing_of(view, file->second);
    out.pop_back();
    out += concat(",\"size\":", standing.size_bytes, ",\"read\":", standing.read_bytes,
                  ",\"sinks\":", sinks_json(standing.sinks), "}");
  }
  return HttpResponse::json(out + "]\n");
}

HttpResponse whereis(const HttpRequest& request, const Agent& agent) {
  auto form = HttpForm::of(request);
  std::string what = form ? std::string(form->get("what")) : "";
  if (what.empty()) return HttpResponse::text(400, "ask for /whereis?what=FILE, POD, CONTAINER or SOURCE\n");
  const LedgerView view = agent.ledger_view();
  auto files = where_is(view, what);
  auto streams = where_are_streams(view, what);
  if (files.empty() && streams.empty())
    return HttpResponse::text(404, concat(what, ": it is not there, and nothing is known of it\n"));
  if (form->get("format") == "json") return HttpResponse::json(standings_json(files, streams));
  return HttpResponse::text(200, concat(standing_text(files), stream_text(streams)));
}
}  // namespace

Result<std::unique_ptr<HttpServer>> serve_endpoints(pipeline::Loop& loop, Registry& registry, Agent& agent,
                                                    Reloader& reloader) {
  pipeline::HttpRouter router;
  router.route("GET", "/ready",
               [&](HttpRequest request, HttpResponder responder) { responder.send(ready(request, agent, reloader)); });
  for (const char* method : {"POST", "GET"})
    router.route(method, "/-/reload",
                 [&reloader](HttpRequest, HttpResponder responder) { responder.send(reload(reloader)); });
  router.route("GET", "/metrics", [&](HttpRequest, HttpResponder responder) {
    responder.send({200,
                    {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}},
                    concat(registry.render(), agent.stage_metrics())});
  });
  router.route("GET", "/targets",
               [&agent](HttpRequest request, HttpResponder responder) { responder.send(targets(request, agent)); });
  router.route("GET", "/whereis",
               [&agent](HttpRequest request, HttpResponder responder) { responder.send(whereis(request, agent)); });
  router.route("GET", "/config", [&agent](HttpRequest, HttpResponder responder) {
    responder.send({200, {{"Content-Type", "application/toml; charset=utf-8"}}, agent.configuration().text});
  });
  pipeline::HttpServerOptions options;
  options.address = agent.configuration().http_listen;
  options.metrics_prefix = "skidway_agent";
  options.max_body_bytes = 1 << 20;
  return HttpServer::listen(loop, registry, options, router.handler());
}

}  // namespace agent
