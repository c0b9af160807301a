// skidway-server: command line, signals, and the life of the process. The graph is in server.h.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <malloc.h>
#include <thread>

#include "pipeline/base/log.h"
#include "pipeline/base/process_usage.h"
#include "pipeline/base/version.h"
#include "pipeline/loop/heap_trimmer.h"
#include "pipeline/loop/signal_watcher.h"
#include "server/catalog_command.h"
#include "server/server.h"

namespace {

using pipeline::log_error;
using pipeline::log_info;
using pipeline::Loop;
using server::Server;
using server::Settings;

constexpr int kFailed = 1;      // while running
constexpr int kWrongUsage = 2;  // configuration or command line

constexpr const char* kExample = R"(Examples:
  skidway-server                                  one machine, data in ./skidway-data, listens on 127.0.0.1:3100
  skidway-server --config /etc/skidway/server.toml
  skidway-server check --config server.toml       says every error of the file, exit status 2 if there is one
  skidway-server catalog rebuild --config FILE    the catalogue is lost or damaged: makes it anew from the store

Push and query:
  curl -H 'Content-Type: application/json' 127.0.0.1:3100/loki/api/v1/push \
    -d '{"streams":[{"stream":{"app":"demo"},"values":[["'$(date +%s%N)'","hello"]]}]}'
  skidway query '{app="demo"}'
)";

struct CommandLine {
  std::string config;
  std::string role = "all";
  std::string log_level = "info";
  bool force = false;
  bool delete_quarantine = false;
};

pipeline::Result<Settings> settings_of(const CommandLine& line) {
  return line.config.empty() ? server::default_settings() : server::load_settings(line.config);
}

int check(const CommandLine& line) {
  if (line.config.empty()) {
    std::fputs("check needs --config FILE\nRun with --help for more information.\n", stderr);
    return kWrongUsage;
  }
  auto settings = settings_of(line);
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().message.c_str());
    return kWrongUsage;
  }
  if (auto limits = server::with_overrides(settings->limits); !limits) {
    std::fprintf(stderr, "%s\n", limits.error().message.c_str());
    return kWrongUsage;
  }
  std::printf("%s: ok\n", line.config.c_str());
  return 0;
}

int on_catalog(const CommandLine& line, bool rebuild) {
  auto settings = settings_of(line);
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().message.c_str());
    return kWrongUsage;
  }
  return rebuild ? server::rebuild_catalog(*settings, line.force) : server::check_catalog(*settings);
}

int on_quarantine(const CommandLine& line) {
  auto settings = settings_of(line);
  if (settings) return server::show_quarantine(*settings, line.delete_quarantine);
  std::fprintf(stderr, "%s\n", settings.error().message.c_str());
  return kWrongUsage;
}

// What is let go returns to the system, and others get it first: left alone, malloc raises both thresholds with the
// largest block that it has seen, and each of eight arenas a processor keeps its own peak. HeapTrimmer does the rest.
void keep_heap_small() {
  ::mallopt(M_ARENA_MAX, static_cast<int>(std::max(4U, 2 * std::thread::hardware_concurrency())));
  ::mallopt(M_TRIM_THRESHOLD, 8 << 20);
  ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

int run(const CommandLine& line) {
  keep_heap_small();
  auto settings = settings_of(line);
  if (!settings) {
    std::fprintf(stderr, "%s\n", settings.error().message.c_str());
    return kWrongUsage;
  }
  pipeline::SystemClock clock;
  auto files = pipeline::system_files();
  pipeline::Registry registry;
  pipeline::export_process_usage(registry);
  pipeline::HeapTrimmer heap(registry, "skidway_server");
  auto loop = Loop::create();
  if (!loop) {
    log_error("start", {{"error", loop.error()}});
    return kFailed;
  }
  (*loop)->export_metrics(registry, "skidway_server");
  std::signal(SIGPIPE, SIG_IGN);
  pipeline::SignalHold hold{SIGHUP};  // TERM may end a start at any place: nothing is lost by it
  auto started = Server::start(**loop, *files, clock, registry, *std::move(settings));
  if (!started) {
    log_error("cannot start", {{"error", started.error()}});
    return kFailed;
  }
  Server& server = **started;
  log_info("server started", {{"version", pipeline::version_number()}, {"address", server.address()}});

  std::optional<pipeline::SignalWatcher> term, interrupt, hangup;
  auto stop = [&](std::string_view name) {
    log_info("stopping", {{"signal", name}});
    // Without watchers the next signal ends the process at once.
    (*loop)->post([&] { term.reset(), interrupt.reset(); });
    server.stop([&] { (*loop)->stop(); });
  };
  term.emplace(**loop, SIGTERM, [&] { stop("TERM"); });
  interrupt.emplace(**loop, SIGINT, [&] { stop("INT"); });
  hangup.emplace(**loop, SIGHUP, [&] { server.reload(); });
  hold.release();
  (*loop)->run();
  hangup.reset();
  started->reset();
  log_info("server stopped");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"skidway-server: takes Loki pushes, keeps them in object storage, answers LogQL.", "skidway-server"};
  CommandLine line;
  app.footer(kExample);
  app.set_version_flag("--version", pipeline::version_text("skidway-server"));
  app.add_option("--config", line.config, "Configuration file (TOML); none: one machine, data in ./skidway-data")
      ->type_name("FILE");
  app.add_option("--role", line.role, "What this process does; only `all` is supported yet")
      ->type_name("ROLE")
      ->check(CLI::IsMember({"all"}));
  app.add_option("--log-level", line.log_level, "debug, info, warn or error")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  app.require_subcommand(0, 1);
  app.add_subcommand("run", "Runs the server (the default)")->fallthrough();
  auto* check_command = app.add_subcommand("check", "Reads the configuration and says every error in it");
  check_command->fallthrough();
  auto* catalog_command = app.add_subcommand("catalog", "Looks after the catalogue, while no server runs");
  catalog_command->fallthrough();
  catalog_command->require_subcommand(1);
  auto* rebuild_command = catalog_command->add_subcommand("rebuild", "Makes the catalogue anew from the store");
  rebuild_command->fallthrough();
  rebuild_command->add_flag("--force", line.force, "Also where there is a sound one, which is moved away");
  auto* check_catalog_command =
      catalog_command->add_subcommand("check", "Says whether the catalogue is sound and its objects are there");
  check_catalog_command->fallthrough();
  auto* quarantine_command = app.add_subcommand(
      "quarantine", "Lists the objects that could not be read when a request to delete touched them");
  quarantine_command->fallthrough();
  quarantine_command->add_flag("--delete", line.delete_quarantine, "Deletes them");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // CLI11 speaks by throwing; also for --help and --version
    return app.exit(error) == 0 ? 0 : kWrongUsage;
  }
  pipeline::set_log_level(*pipeline::parse_log_level(line.log_level));
  if (catalog_command->parsed()) return on_catalog(line, rebuild_command->parsed());
  if (quarantine_command->parsed()) return on_quarantine(line);
  return check_command->parsed() ? check(line) : run(line);
}
