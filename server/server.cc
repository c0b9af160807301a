#include "server/server.h"

#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"
#include "pipeline/http/http_router.h"
#include "pipeline/loop/timer.h"
#include "server/admin_routes.h"
#include "server/api/delete_routes.h"
#include "server/api/detected_routes.h"
#include "server/api/label_routes.h"
#include "server/api/pattern_routes.h"
#include "server/api/query_routes.h"
#include "server/api/request_metrics.h"
#include "server/api/status_routes.h"
#include "server/api/volume_routes.h"
#include "server/cache/caches.h"
#include "server/clock_file.h"
#include "server/compact/compactor.h"
#include "server/erase/tenant_retention.h"
#include "server/limits/limit_reloader.h"
#include "server/open_store.h"
#include "server/push_routes.h"
#include "server/s3/s3_store.h"
#include "server/settings_text.h"
#include "server/store/awaited_store.h"
#include "server/tail/tail_routes.h"

namespace server {

using pipeline::concat;
using pipeline::FileSystem;
using pipeline::HttpRequest;
using pipeline::HttpResponder;
using pipeline::HttpResponse;
using pipeline::log_info;
using pipeline::log_warn;
using pipeline::Loop;
using pipeline::Result;

namespace {

constexpr std::chrono::seconds kAnswerDeadline{10};  // for requests that run when the server is told to stop

// The first start of a catalogue needs its store: a typing error should be seen at once. Later ones do not: there are
// entries to be served and taken.
Result<bool> was_used(FileSystem& files, Catalog& catalog, const std::string& wal_folder) {
  TRY_LET(auto snapshot, catalog.snapshot());
  if (snapshot->version > 0) return true;
  auto log = files.list(wal_folder);
  return log && !log->empty();
}

Result<std::unique_ptr<AwaitedStore>> await_store(const Settings& settings, FileSystem& files, Catalog& catalog,
                                                  const pipeline::Clock& clock, pipeline::Registry& registry) {
  AwaitedStoreOptions options;
  options.cluster = catalog.cluster();
  options.place = settings.store.place();
  TRY_LET(bool used, was_used(files, catalog, settings.ingest.wal_folder));
  options.must_be_there = !used;
  options.admit = [&catalog, &settings](ObjectStore& store) { return admit_catalog(store, catalog, settings); };
  if (settings.store.s3) {
    TRY_LET(auto made, make_s3_store(*settings.store.s3, {files, clock, registry, system_environment()}));
    options.prepare = std::move(made.prepare);
    return AwaitedStore::open(std::move(made.store), std::move(options));
  }
  TRY_LET(auto folder, open_local_store(files, settings.store.folder));
  return AwaitedStore::open(std::move(folder), std::move(options));
}

// Beside what requests and traffic cost (server/s3).
void add_storage_cost(pipeline::Registry& registry, Catalog& catalog, const S3Prices& prices) {
  registry.gauge_callback("skidway_server_s3_estimated_monthly_cost_dollars",
                          "What a month like the last hour costs at the prices of [store.prices]",
                          [&catalog, price = prices.gigabyte_month]() -> double {
                            auto snapshot = catalog.snapshot();
                            double bytes = 0;
                            if (snapshot) {
                              for (const ObjectRow& row : (*snapshot)->objects)
                                bytes += static_cast<double>(row.summary.size);
                            }
                            return bytes / 1e9 * price;
                          },
                          {{"part", "storage"}});
}

}  // namespace

// In the order of building; destroyed the other way round.
struct Server::Graph {
  Loop& loop;
  const Settings settings;
  pipeline::FolderLock lock;
  LimitTable limits = LimitTable();
  std::unique_ptr<LimitReloader> limit_reloader = nullptr;
  TenantRetention retention{limits};
  std::unique_ptr<CatalogMark> catalog_mark = nullptr;
  std::unique_ptr<Catalog> catalog = nullptr;
  std::unique_ptr<AwaitedStore> store = nullptr;
  std::unique_ptr<Caches> caches = nullptr;
  std::unique_ptr<Compactor> compactor = nullptr;
  std::unique_ptr<Ingest> ingest = nullptr;
  std::unique_ptr<QueryEngine> queries = nullptr;
  std::unique_ptr<QueryScheduler> scheduler = nullptr;
  std::unique_ptr<pipeline::Registry::Collector> scheduler_metrics = nullptr;
  std::unique_ptr<pipeline::WorkerPool> admin_pool = nullptr;  // never waits for queries
  std::optional<pipeline::Timer> limit_timer = std::nullopt;
  std::unique_ptr<TailRoutes> tails = nullptr;
  std::unique_ptr<pipeline::HttpServer> http = nullptr;
  std::unique_ptr<SyslogListener> syslog = nullptr;

  void reload(std::function<void(Result<void>)> done) {
    auto outcome = std::make_shared<Result<void>>();
    admin_pool->run([this, outcome] { *outcome = limit_reloader->reload(); },
                    [outcome, done = std::move(done)](Result<void> ran) { done(ran ? *outcome : ran); });
  }
};

Server::Server(std::unique_ptr<Graph> graph) : graph_(std::move(graph)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(Loop& loop, FileSystem& files, const pipeline::Clock& clock,
                                              pipeline::Registry& registry, Settings settings) {
  TRY_LET(auto lock, lock_folder(files, settings.data_dir));
  std::unique_ptr<Graph> graph(new Graph{loop, std::move(settings), std::move(lock)});
  Graph& g = *graph;
  const Settings& s = g.settings;
  TRY_LET(g.limit_reloader, LimitReloader::open(g.limits, registry, s.limits, [&s]() -> Result<LimitSettings> {
            if (s.config_file.empty()) return s.limits;
            TRY_LET(Settings again, load_settings(s.config_file));
            return std::move(again.limits);
          }));
  g.catalog_mark = std::make_unique<CatalogMark>(files, catalog_mark_path(s));
  TRY_LET(g.catalog, open_catalog(s, files, clock, *g.catalog_mark));
  auto store = await_store(s, files, *g.catalog, clock, registry);
  if (!store) return pipeline::fail(with_remedy(store.error(), s, *g.catalog));
  g.store = *std::move(store);
  if (s.store.s3) add_storage_cost(registry, *g.catalog, s.store.s3->prices);
  TRY_LET(g.caches, Caches::open(s.cache, *g.store, files, clock, registry));
  ObjectStore& written = g.caches->for_writers();
  CompactorOptions compaction = s.compaction;
  compaction.retention = [&g](std::string_view tenant) { return g.retention.of(tenant); };
  const std::string clock_file = concat(s.data_dir, "/clock");
  compaction.clock.last_seen = read_clock_file(files, clock_file);
  compaction.clock.keep = [&files, clock_file](pipeline::UnixNanos time) {
    if (auto kept = write_clock_file(files, clock_file, time); !kept)
      log_warn("the time could not be kept for the next start", {{"error", kept.error()}});
  };
  TRY_LET(g.compactor, Compactor::open(written, *g.catalog, clock, registry, std::move(compaction)));
  TRY_LET(g.ingest, Ingest::open({loop, files, written, *g.catalog, clock, registry, g.limits}, s.ingest));

  g.queries = std::make_unique<QueryEngine>(
      [&g, &clock](std::string_view tenant) -> Result<ReadView> {
        TRY_LET(ReadView view, g.ingest->view(tenant));
        const Erasures erasures(
            view.objects->deletes, view.objects->last_delete, [&g](std::string_view id) { return g.retention.of(id); },
            clock.wall());
        view.erasures = erasures.of(tenant);
        return view;
      },
      g.caches->for_queries(), g.limits, s.queries);
  if (ResultCache* results = g.caches->results()) g.queries->use_results(*results);
  g.scheduler = std::make_unique<QueryScheduler>(s.query_threads);
  g.scheduler_metrics = export_metrics(*g.scheduler, registry);
  g.admin_pool = std::make_unique<pipeline::WorkerPool>(loop, "admin", 1);
  g.limit_timer.emplace(loop, [&g] { g.admin_pool->run([&g] { g.limit_reloader->refresh(); }, [](Result<void>) {}); });
  g.limit_timer->start_repeating(s.limits.overrides_period);

  pipeline::HttpRouter router;
  add_push_routes(router, *g.ingest, [&g](const HttpRequest& request, std::string& id) {
    return find_tenant(g.settings.tenancy, request, id);
  });
  router.route("POST", "/-/reload", [&g](HttpRequest, HttpResponder responder) {
    auto shared = std::make_shared<HttpResponder>(std::move(responder));
    g.reload([shared](Result<void> reloaded) {
      shared->send(reloaded ? HttpResponse::text(200, "reloaded: limits\n")
                            : HttpResponse::text(500, concat(reloaded.error().message, "\n")));
    });
  });
  add_admin_routes(router, {*g.ingest, *g.compactor, *g.catalog, *g.store, *g.admin_pool, registry});

  const TenantResolver tenant = [&g](const HttpRequest& request, std::string& id) {
    return find_tenant(g.settings.tenancy, request, id);
  };
  ReadRoutes routes(router, {*g.scheduler, clock, registry, tenant, g.limits, s.compress_answers});
  add_delete_routes(router,
                    {g.compactor->deletes(), *g.catalog, *g.admin_pool, clock, tenant,
                     [&g](Flusher::Done done) { g.ingest->settle(std::move(done)); }, [&g] { g.ingest->roll_log(); },
                     [&g](std::string_view id) { return g.limits.of(id)->deletion_mode != "disabled"; }});
  add_query_routes(routes, *g.queries);
  add_label_routes(routes, *g.queries);
  add_volume_routes(routes, *g.queries);
  add_detected_routes(routes, *g.queries);
  add_pattern_routes(routes, *g.queries, *g.catalog);
  add_status_routes(router, routes,
                    {[&g](std::string_view id) { return drilldown_limits(*g.limits.of(id)); },
                     [&g](std::string_view id) { return all_limits(*g.limits.of(id)); }, settings_toml(s)});

  g.tails = std::make_unique<TailRoutes>(
      router, TailDoors{loop, g.ingest->feed(), *g.queries, *g.scheduler, clock, registry, tenant, g.limits});

  pipeline::HttpServerOptions http;
  http.address = s.listen;
  http.answered = [metrics = std::make_shared<RequestMetrics>(registry)](const pipeline::HttpAnswered& answered) {
    metrics->count(answered);
  };
  http.tls = s.tls;
  http.max_body_bytes = s.ingest.push.max_raw_bytes;
  TRY_LET(g.http, pipeline::HttpServer::listen(loop, registry, std::move(http), router.handler()));
  if (!s.syslog.listen.empty()) {
    auto push = [&g](HttpRequest request, HttpResponder responder) {
      g.ingest->handle_push(PushProtocol::kLoki, g.settings.syslog.tenant, std::move(request), std::move(responder));
    };
    TRY_LET(g.syslog, SyslogListener::listen(loop, clock, registry, s.syslog, std::move(push)));
  }
  return std::unique_ptr<Server>(new Server(std::move(graph)));
}

const std::string& Server::address() const { return graph_->http->address(); }

void Server::reload() {
  graph_->reload([](Result<void> reloaded) {
    if (reloaded) log_info("reloaded: limits; other settings need a restart");
  });
}

void Server::stop(pipeline::Task done) {
  Graph& g = *graph_;
  g.limit_timer.reset();
  if (g.syslog) g.syslog->stop();  // before pushes are refused: what was read is stored
  g.ingest->refuse();
  g.store->give_up_after(kAnswerDeadline);  // an outage of the store must not keep the program; the log has it all
  g.compactor->stop();                      // a merge ends at its next page; whoever waits for one is answered
  g.http->stop(kAnswerDeadline, [&g, done = std::move(done)]() mutable {
    g.loop.post([&g, done = std::move(done)]() mutable {  // the HTTP server may end only outside its own callback
      g.http.reset();
      g.syslog.reset();
      g.tails.reset();
      g.scheduler->stop();
      g.admin_pool->stop();
      g.ingest->stop();
      done();
    });
  });
}

}  // namespace server
