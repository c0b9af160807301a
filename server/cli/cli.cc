#include "server/cli/cli.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/quantity.h"
#include "server/cli/cli_options.h"
#include "server/cli/commands.h"
#include "server/cli/delete_command.h"
#include "server/cli/parallel_export.h"
#include "server/cli/stdin_query.h"
#include "server/cli/tail_command.h"

namespace server {
namespace {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using std::chrono::milliseconds;

Result<TimeSpan> time_range(const CliOptions& o, const CliWorld& world) {
  TimeSpan out;
  out.end = world.clock.wall();
  if (!o.to.empty()) { TRY_LET(out.end, parse_time_option(o.to)); }
  if (!o.from.empty()) {
    TRY_LET(out.start, parse_time_option(o.from));
  } else {
    TRY_LET(const auto since, pipeline::parse_duration(o.since));
    out.start = out.end - since.count();
  }
  if (out.start > out.end) return fail(Errc::kInvalid, "--from is later than --to; exchange them, or correct one");
  return out;
}

void read_environment(CliOptions& o, const CliWorld& world) {
  auto take = [&](std::string& value, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (std::string found = world.environment(name); !found.empty()) {
        value = std::move(found);
        return;
      }
    }
  };
  auto is_true = [&](const char* name) {
    const std::string value = world.environment(name);
    return value == "true" || value == "1";
  };
  take(o.server.address, {"SKIDWAY_ADDR", "LOKI_ADDR"});
  take(o.server.org_id, {"SKIDWAY_ORG_ID", "LOKI_ORG_ID"});
  take(o.server.client.username, {"LOKI_USERNAME"});
  take(o.server.client.password, {"LOKI_PASSWORD"});
  take(o.server.bearer_token, {"LOKI_BEARER_TOKEN"});
  take(o.bearer_token_file, {"LOKI_BEARER_TOKEN_FILE"});
  take(o.server.auth_header, {"LOKI_AUTH_HEADER"});
  take(o.server.query_tags, {"LOKI_QUERY_TAGS"});
  take(o.server.client.tls.ca_file, {"LOKI_CA_CERT_PATH"});
  take(o.server.client.tls.cert_file, {"LOKI_CLIENT_CERT_PATH"});
  take(o.server.client.tls.key_file, {"LOKI_CLIENT_KEY_PATH"});
  take(o.server.client.proxy_url, {"LOKI_HTTP_PROXY_URL"});
  take(o.min_backoff, {"LOKI_CLIENT_MIN_BACKOFF"});
  take(o.max_backoff, {"LOKI_CLIENT_MAX_BACKOFF"});
  o.server.skip_verify = is_true("LOKI_TLS_SKIP_VERIFY");
  o.server.compressed = is_true("LOKI_HTTP_COMPRESSION");
  o.server.no_cache = is_true("LOKI_NO_CACHE");
  if (const std::string text = world.environment("LOKI_CLIENT_RETRIES"); !text.empty()) {
    o.server.retries = static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
  }
}

Result<void> finish_server_options(CliOptions& o) {
  auto read = [](const char* name, const std::string& text, milliseconds& into) -> Result<void> {
    const bool in_seconds = !text.empty() && text.find_first_not_of("0123456789") == text.npos;  // as logcli's
    auto duration = pipeline::parse_duration(in_seconds ? concat(text, "s") : text);
    if (!duration) return fail(Errc::kInvalid, concat(name, ": ", duration.error().message));
    into = std::chrono::ceil<milliseconds>(*duration);
    return {};
  };
  TRY(read("--timeout", o.timeout, o.server.timeout));
  TRY(read("--min-backoff", o.min_backoff, o.server.min_backoff));
  TRY(read("--max-backoff", o.max_backoff, o.server.max_backoff));
  if (!o.bearer_token_file.empty()) {
    std::ifstream file(o.bearer_token_file);
    std::string token;
    if (!std::getline(file, token) || token.empty()) {
      return fail(Errc::kInvalid, concat("--bearer-token-file: ", o.bearer_token_file, " cannot be read, or is empty"));
    }
    o.server.bearer_token = token;
  }
  for (const std::string& header : o.headers) {
    const size_t colon = header.find(':');
    if (colon == header.npos || colon == 0)
      return fail(Errc::kInvalid, concat("--header \"", header, "\": write it as \"Name: value\""));
    const size_t value = std::min(header.find_first_not_of(' ', colon + 1), header.size());
    o.server.client.headers.add(header.substr(0, colon), header.substr(value));
  }
  return {};
}

// A command with all its options understood, ready to run.
using Command = std::function<Result<void>(const ServerConnection&, const CommandOutput&)>;

Result<Command> query_command(const CliOptions& o, const CliWorld& world, TimeSpan range) {
  if (o.follow) {
    return Command([&o, range](const auto& server, const auto& output) {
      return run_tail(server, {o.query, range.start, std::max<uint64_t>(o.limit, 1), o.delay_seconds}, output);
    });
  }
  const EntryQuery query{.query = o.query,
                         .start = range.start,
                         .end = range.end,
                         .limit = o.limit,
                         .page = o.batch,
                         .forward = o.forward,
                         .step = o.step,
                         .interval = o.interval,
                         .with_metadata = o.form == "jsonl"};
  if (o.parallel_workers == 1 && o.part_prefix.empty()) {
    return Command([query](const auto& server, const auto& output) { return run_query(server, query, output); });
  }
  if (o.limit != 0) {
    return fail(Errc::kInvalid, "--parallel-max-workers and --part-path-prefix export every entry; add --limit 0");
  }
  TRY_LET(const auto duration, pipeline::parse_duration(o.parallel_duration));
  if (!o.part_prefix.empty() && (o.from.empty() || o.to.empty()) && !o.quiet) {
    world.err << "note: give --from and --to, so that the same parts are found when this is started again\n";
  }
  const ExportOptions options{.part_duration = duration,
                              .workers = o.parallel_workers,
                              .part_prefix = o.part_prefix,
                              .overwrite_parts = o.overwrite_parts,
                              .merge_parts = o.merge_parts,
                              .keep_parts = o.keep_parts,
                              .terminal = world.err_is_terminal};
  return Command(
      [query, options](const auto& server, const auto& output) { return run_export(server, query, options, output); });
}

Result<Command> delete_command(const std::string& name, const CliOptions& o, const CliWorld& world) {
  if (name == "delete list") return Command(run_delete_list);
  if (name == "delete cancel") {
    return Command([&o](const auto& server, const auto& output) {
      return run_delete_cancel(server, o.request_id, o.force, output);
    });
  }
  TRY_LET(const TimeSpan span, time_range(o, world));
  const DeleteRange range{o.query, span, o.max_interval};
  return Command([range](const auto& server, const auto& output) { return run_delete_create(server, range, output); });
}

Result<Command> stdin_command(const std::string& name, const CliOptions& o, const CliWorld& world) {
  if (name != "query" && name != "instant-query")
    return fail(Errc::kInvalid, concat("--stdin is for query and instant-query, not for ", name));
  if (o.follow) return fail(Errc::kInvalid, "--stdin ends where standard input ends; leave out --tail");
  if (world.in == nullptr) return fail(Errc::kInvalid, "--stdin: there is no standard input");
  return Command([&o, &world](const auto&, const auto& output) {
    return run_stdin_query(o.query, *world.in, world.clock.wall(), output);
  });
}

Result<Command> command_of(const std::string& name, const CliOptions& o, const CliWorld& world) {
  if (!o.store_config.empty()) {
    return fail(Errc::kInvalid,
                "--store-config, --remote-schema and --schema-store read Loki's own chunks and index, which a Skidway "
                "store does not have; leave them out and name a server with --addr");
  }
  if (o.from_stdin) return stdin_command(name, o, world);
  if (name.starts_with("delete")) return delete_command(name, o, world);
  if (name == "fmt") {
    std::string text = o.query;
    if (text.empty() && world.in) text.assign(std::istreambuf_iterator<char>(*world.in), {});
    return Command([text](const auto& server, const auto& output) { return run_format(server, text, output); });
  }
  if (name == "instant-query") {
    pipeline::UnixNanos time = world.clock.wall();
    if (!o.now.empty()) { TRY_LET(time, parse_time_option(o.now)); }
    return Command([&o, time](const auto& server, const auto& output) {
      return run_instant(server, o.query, time, o.limit, output);
    });
  }
  TRY_LET(const TimeSpan range, time_range(o, world));
  if (name == "query") return query_command(o, world, range);
  if (name == "tail") {
    return Command([&o, range](const auto& server, const auto& output) {
      return run_tail(server, {o.query, range.start, o.limit, o.delay_seconds}, output);
    });
  }
  if (name == "labels") {
    return Command(
        [&o, range](const auto& server, const auto& output) { return run_labels(server, o.name, range, output); });
  }
  if (name == "series") {
    return Command([&o, range](const auto& server, const auto& output) {
      return run_series(server, o.query, range, o.analyze_labels ? SeriesForm::kAnalysis : SeriesForm::kList, output);
    });
  }
  if (name == "stats") {
    return Command(
        [&o, range](const auto& server, const auto& output) { return run_stats(server, o.query, range, output); });
  }
  if (name == "detected-fields") {
    const FieldsQuery query{o.query, o.name, range, o.field_limit, o.line_limit, o.step};
    return Command(
        [query](const auto& server, const auto& output) { return run_detected_fields(server, query, output); });
  }
  const std::string step = name == "volume" ? "" : o.step.empty() ? "1h" : o.step;
  const VolumeQuery query{o.query, range, o.limit, o.target_labels, o.aggregate_by_labels, step};
  return Command([query](const auto& server, const auto& output) { return run_volume(server, query, output); });
}

OutputStyle style_of(const CliOptions& o) {
  return {.form = o.form == "raw"     ? OutputForm::kRaw
                  : o.form == "jsonl" ? OutputForm::kJsonLines
                                      : OutputForm::kDefault,
          .local_times = o.timezone == "Local",
          .time_format = o.timestamp_format,
          .labels = !o.no_labels,
          .include_labels = {o.include_labels.begin(), o.include_labels.end()},
          .exclude_labels = {o.exclude_labels.begin(), o.exclude_labels.end()},
          .labels_length = o.labels_length,
          .colored = o.colored};
}

int complain(const CliWorld& world, std::string_view message, int code) {
  world.err << "skidway: " << message << "\n";
  return code;
}

}  // namespace

int run_cli(std::vector<std::string> arguments, const CliWorld& world) {
  CliOptions options;
  read_environment(options, world);
  const ChosenCommand chosen = parse_command_line(std::move(arguments), world, options);
  if (chosen.name.empty()) return chosen.exit_code;
  if (auto finished = finish_server_options(options); !finished) return complain(world, finished.error().message, 2);
  auto command = command_of(chosen.name, options, world);
  if (!command) return complain(world, command.error().message, 2);
  const CommandOutput output{
      .out = world.out, .err = world.err, .style = style_of(options), .stats = options.stats, .quiet = options.quiet};
  auto done = (*command)(ServerConnection(options.server), output);
  if (done) return 0;
  if (done.error().code == Errc::kCancelled) return 1;  // `| head` has seen enough
  return complain(world, done.error().message, 1);
}

}  // namespace server
