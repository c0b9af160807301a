#include "server/cli/cli.h"

#include <CLI/CLI.hpp>
#include <optional>
#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "pipeline/base/version.h"
#include "server/cli/commands.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Result;

// What the options say, before it is known which of them are given.
struct Options {
  ServerOptions server;
  std::string timeout = "5m";
  std::string form = "default";
  bool stats = false;
  std::string since = "1h", from, to;
  std::string query;
  uint64_t limit = 30;
  uint64_t batch = 5000;
  std::string step;
  bool forward = false;
  std::string now;
  std::string label;
  std::string selector;
};

void add_server_options(CLI::App& app, Options& o) {
  app.add_option("--addr", o.server.address, "the server; environment SKIDWAY_ADDR or LOKI_ADDR")
      ->capture_default_str();
  app.add_option("--org-id", o.server.org_id, "the tenant; environment SKIDWAY_ORG_ID or LOKI_ORG_ID");
  app.add_option("--username", o.server.client.username, "for basic authentication; environment LOKI_USERNAME");
  app.add_option("--password", o.server.client.password,
                 "environment LOKI_PASSWORD (better there: others see command lines)");
  app.add_option("--bearer-token", o.server.bearer_token, "environment LOKI_BEARER_TOKEN");
  app.add_option("--ca-cert", o.server.client.tls.ca_file, "PEM file of the authority that vouches for the server");
  app.add_option("--cert", o.server.client.tls.cert_file, "PEM file of our own certificate");
  app.add_option("--key", o.server.client.tls.key_file, "PEM file of its key");
  app.add_option("--timeout", o.timeout, "longest time for one request")->capture_default_str();
  app.add_option("-o,--output", o.form, "default: TIME LABELS LINE; raw: the line; jsonl: a JSON object a line")
      ->check(CLI::IsMember({"default", "raw", "jsonl"}))
      ->capture_default_str();
}

void add_time_options(CLI::App& app, Options& o) {
  app.add_option("--since", o.since, "how far back from --to (or now): 30m, 6h, 7d")->capture_default_str();
  app.add_option("--from", o.from, "first time, instead of --since: 2026-11-01T10:00:00Z or seconds since 1970");
  app.add_option("--to", o.to, "end, not included; default: now");
}

CLI::App* add_query(CLI::App& app, Options& o) {
  CLI::App* query = app.add_subcommand("query", "entries, or a metric over time");
  query->add_option("QUERY", o.query, "LogQL")->required();
  query->add_option("--limit", o.limit, "entries at most; 0: all of them")->capture_default_str();
  query->add_option("--batch", o.batch, "entries a request")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  query->add_option("--step", o.step, "time between the points of a metric: 1m");
  query->add_flag("--forward", o.forward, "oldest first");
  query->add_flag("--stats", o.stats, "what the query cost, on stderr");
  add_time_options(*query, o);
  query->footer("Example:\n  skidway query --since 6h --limit 100 '{namespace=\"shop\"} |= \"timeout\"'");
  return query;
}

CLI::App* add_instant(CLI::App& app, Options& o) {
  CLI::App* instant = app.add_subcommand("instant", "a metric at one time");
  instant->add_option("QUERY", o.query, "LogQL")->required();
  instant->add_option("--now,--time", o.now, "the time to evaluate at; default: now");
  instant->add_flag("--stats", o.stats, "what the query cost, on stderr");
  instant->footer("Example:\n  skidway instant 'sum by (pod) (count_over_time({namespace=\"shop\"}[5m]))'");
  return instant;
}

CLI::App* add_labels(CLI::App& app, Options& o) {
  CLI::App* labels = app.add_subcommand("labels", "names of labels, or the values of one");
  labels->add_option("NAME", o.label, "the label whose values are wanted");
  add_time_options(*labels, o);
  labels->footer("Example:\n  skidway labels namespace --since 7d");
  return labels;
}

CLI::App* add_series(CLI::App& app, Options& o) {
  CLI::App* series = app.add_subcommand("series", "the label sets of streams");
  series->add_option("SELECTOR", o.selector, "as {namespace=\"shop\"}; default: every stream");
  add_time_options(*series, o);
  series->footer("Example:\n  skidway series '{namespace=\"shop\"}'");
  return series;
}

Result<TimeRange> time_range(const Options& o, const CliWorld& world) {
  TimeRange out;
  out.end = world.clock.wall();
  if (!o.to.empty()) { TRY_LET(out.end, parse_time_option(o.to)); }
  if (!o.from.empty()) {
    TRY_LET(out.start, parse_time_option(o.from));
  } else {
    TRY_LET(const auto since, pipeline::parse_duration(o.since));
    out.start = out.end - since.count();
  }
  if (out.start > out.end) {
    return pipeline::fail(pipeline::Errc::kInvalid, "--from is later than --to; exchange them, or correct one");
  }
  return out;
}

void read_environment(Options& o, const CliWorld& world) {
  auto take = [&](std::string& value, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (std::string found = world.environment(name); !found.empty()) {
        value = std::move(found);
        return;
      }
    }
  };
  take(o.server.address, {"SKIDWAY_ADDR", "LOKI_ADDR"});
  take(o.server.org_id, {"SKIDWAY_ORG_ID", "LOKI_ORG_ID"});
  take(o.server.client.username, {"LOKI_USERNAME"});
  take(o.server.client.password, {"LOKI_PASSWORD"});
  take(o.server.bearer_token, {"LOKI_BEARER_TOKEN"});
}

// A command with all its options understood, ready to run.
using Command = std::function<Result<void>(const ServerConnection&, const CommandOutput&)>;

Result<Command> command_of(const CLI::App& chosen, const Options& o, const CliWorld& world) {
  if (chosen.get_name() == "instant") {
    pipeline::UnixNanos time = world.clock.wall();
    if (!o.now.empty()) { TRY_LET(time, parse_time_option(o.now)); }
    return Command(
        [&o, time](const auto& server, const auto& output) { return run_instant(server, o.query, time, output); });
  }
  TRY_LET(const TimeRange range, time_range(o, world));
  if (chosen.get_name() == "labels") {
    return Command(
        [&o, range](const auto& server, const auto& output) { return run_labels(server, o.label, range, output); });
  }
  if (chosen.get_name() == "series") {
    return Command(
        [&o, range](const auto& server, const auto& output) { return run_series(server, o.selector, range, output); });
  }
  const RangeQuery query{.query = o.query,
                         .start = range.start,
                         .end = range.end,
                         .limit = o.limit,
                         .page = o.batch,
                         .forward = o.forward,
                         .step = o.step};
  return Command([query](const auto& server, const auto& output) { return run_query(server, query, output); });
}

int complain(const CliWorld& world, std::string_view message, int code) {
  world.err << "skidway: " << message << "\n";
  return code;
}

int run_command(const CLI::App& chosen, Options& o, const CliWorld& world) {
  auto timeout = pipeline::parse_duration(o.timeout);
  if (!timeout) return complain(world, concat("--timeout: ", timeout.error().message), 2);
  o.server.timeout = std::chrono::ceil<std::chrono::milliseconds>(*timeout);
  auto command = command_of(chosen, o, world);
  if (!command) return complain(world, command.error().message, 2);
  const CommandOutput output{.out = world.out,
                             .err = world.err,
                             .form = o.form == "raw"     ? OutputForm::kRaw
                                     : o.form == "jsonl" ? OutputForm::kJsonLines
                                                         : OutputForm::kDefault,
                             .stats = o.stats};
  auto done = (*command)(ServerConnection(o.server), output);
  if (done) return 0;
  if (done.error().code == pipeline::Errc::kCancelled) return 1;  // `| head` has seen enough
  return complain(world, done.error().message, 1);
}

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty()) return "say what to do: query, instant, labels or series; see skidway --help";
  return concat(error.what(), "; see skidway ", chosen.front()->get_name(), " --help");
}

}  // namespace

int run_cli(std::vector<std::string> arguments, const CliWorld& world) {
  Options options;
  read_environment(options, world);
  CLI::App app("Asks a Skidway or Loki server.", "skidway");
  app.set_version_flag("--version", pipeline::version_text("skidway"));
  app.require_subcommand(1);
  app.footer("Example:\n  skidway query '{namespace=\"shop\"} |= \"timeout\"'\nEvery command has a --help of its own.");
  for (CLI::App* command :
       {add_query(app, options), add_instant(app, options), add_labels(app, options), add_series(app, options)}) {
    add_server_options(*command, options);
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help) {
    return app.exit(help, world.out, world.err);
  } catch (const CLI::ParseError& error) { return complain(world, usage_error(app, error), 2); }
  return run_command(*app.get_subcommands().front(), options, world);
}

}  // namespace server
