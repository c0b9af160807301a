#include <csignal>
#include <cstdio>
#include <malloc.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/configuration.h"
#include "agent/endpoints.h"
#include "agent/reloader.h"
#include "pipeline/base/log.h"
#include "pipeline/base/process_usage.h"
#include "pipeline/base/version.h"
#include "pipeline/loop/signal_watcher.h"

namespace agent {

using pipeline::concat;
using pipeline::Error;
using pipeline::HttpServer;
using pipeline::log_error;
using pipeline::log_info;
using pipeline::Loop;
using pipeline::Registry;
using pipeline::Result;
using pipeline::SignalHold;
using pipeline::SignalWatcher;

namespace {
constexpr std::chrono::seconds kPatience{
    10};  // for acks after the first TERM; what is missing is sent at the next start

// promtail's too: dashboards find agents by it.
void export_build_info(Registry& registry) {
  for (const char* name : {"skidway_agent_build_info", "promtail_build_info"}) {
    registry
        .gauge(name, "Which program this is; always 1.",
               {{"version", std::string(pipeline::version_number())},
                {"revision", std::string(pipeline::version_commit())}})
        .set(1);
  }
}

// TERM and INT stop; the second one at once. HUP reloads.
struct Signals {
  Signals(Loop& loop, Agent& agent, Reloader& reloader)
      : term(loop, SIGTERM, [&] { stop(agent); }),
        interrupt(loop, SIGINT, [&] { stop(agent); }),
        hang_up(loop, SIGHUP, [&] { (void)reloader.reload(); }) {}  // which logs what it came to

  void stop(Agent& agent) {
    agent.stop(first ? std::chrono::nanoseconds(kPatience) : std::chrono::nanoseconds(0));
    first = false;
  }

  bool first = true;
  SignalWatcher term, interrupt, hang_up;
};

// One arena for all threads, so that each gets what others have let go, and large blocks go back to the system: this
// program's few threads hardly meet in malloc, and its memory is counted in megabytes.
void keep_heap_small() {
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

void say_start(const Configuration& c) {
  log_info("starting", {{"version", pipeline::version_number()},
                        {"sources", c.sources.size()},
                        {"sinks", c.sinks.size()},
                        {"data_dir", c.data_dir}});
  for (auto& source : c.sources)
    if (source->type == SourceType::kKubernetes)
      log_info("labels of pods come from the path only: the Kubernetes API is not asked", {{"source", source->name}});
}

Result<Configuration> load(const CommonFlags& flags) {
  TRY_LET(Configuration configuration, load_configuration(flags.config, Needs::kSinks));
  if (!flags.data_dir.empty()) configuration.data_dir = flags.data_dir;
  return configuration;
}

Result<void> run(Loop& loop, Registry& registry, const CommonFlags& flags, Configuration configuration, AgentMode mode,
                 SignalHold& hold) {
  say_start(configuration);
  pipeline::SystemClock clock;
  TRY_LET(auto agent, Agent::create(loop, registry, std::move(configuration), mode));
  Reloader reloader(
      *agent, flags.config, [&] { return load(flags); }, clock, registry);
  std::unique_ptr<HttpServer> server;
  if (mode == AgentMode::kDeliver) {
    TRY_LET(server, serve_endpoints(loop, registry, *agent, reloader));
    log_info("listening", {{"address", server->address()}});
  }
  Signals signals(loop, *agent, reloader);
  hold.release();
  Result<void> outcome;
  agent->start([&](Result<void> ended) {
    outcome = std::move(ended);
    loop.stop();
  });
  loop.run();
  return outcome;
}
}  // namespace

int run_agent(const CommonFlags& flags, bool dry_run) {
  auto configuration = load(flags);
  if (!configuration) {
    std::fprintf(stderr, "%s\n", configuration.error().message.c_str());
    return 2;
  }
  SignalHold hold{SIGTERM, SIGINT, SIGHUP};
  keep_heap_small();
  ::signal(SIGPIPE, SIG_IGN);
  raise_open_file_limit();
  Registry registry;
  pipeline::export_process_usage(registry);
  export_build_info(registry);
  auto loop = Loop::create();
  if (!loop) {
    log_error("cannot start", {{"error", loop.error()}});
    return 1;
  }
  (*loop)->export_metrics(registry, "skidway_agent");
  auto outcome =
      run(**loop, registry, flags, std::move(*configuration), dry_run ? AgentMode::kDryRun : AgentMode::kDeliver, hold);
  if (!outcome) log_error("stopped", {{"error", outcome.error()}});
  if (outcome) log_info("stopped");
  return outcome ? 0 : 1;
}

}  // namespace agent
