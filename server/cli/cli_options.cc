#include "server/cli/cli_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "pipeline/base/concat.h"
#include "pipeline/base/version.h"

namespace server {
namespace {

using pipeline::concat;

constexpr const char* kFooter = R"(Examples:
  skidway query '{namespace="shop"} |= "timeout"'                 the newest 30 entries of the last hour
  skidway query --since 6h --limit 0 -o raw '{app="api"}' > api.log   every line of six hours
  skidway tail '{app="api"} | json | level="error"'               what comes from now on
  skidway instant-query 'sum by (app) (rate({namespace="shop"}[5m]))'
  skidway series --analyze-labels '{}'                            which labels make so many streams?
Every command has a --help of its own. logcli's variables LOKI_ADDR, LOKI_USERNAME, ... are read.)";

void add_server_options(CLI::App& app, CliOptions& o) {
  const char* group = "Server";
  auto option = [&](const char* name, auto& value, const char* help) {
    return app.add_option(name, value, help)->group(group);
  };
  option("--addr", o.server.address, "the server; environment SKIDWAY_ADDR or LOKI_ADDR")->capture_default_str();
  option("--org-id", o.server.org_id, "the tenant; environment SKIDWAY_ORG_ID or LOKI_ORG_ID");
  option("--username", o.server.client.username, "for basic authentication; environment LOKI_USERNAME");
  option("--password", o.server.client.password, "environment LOKI_PASSWORD (better there: others see command lines)");
  option("--bearer-token", o.server.bearer_token, "environment LOKI_BEARER_TOKEN");
  option("--bearer-token-file", o.bearer_token_file, "file that holds it; environment LOKI_BEARER_TOKEN_FILE");
  option("--auth-header", o.server.auth_header, "the header that carries it; environment LOKI_AUTH_HEADER")
      ->capture_default_str();
  option("--header", o.headers, "one more header for every request, \"Name: value\"; may be repeated")
      ->allow_extra_args(false);
  option("--query-tags", o.server.query_tags, "sent as X-Query-Tags; environment LOKI_QUERY_TAGS");
  app.add_flag("--nocache", o.server.no_cache, "asks the server not to use cached results; environment LOKI_NO_CACHE")
      ->group(group);
  app.add_flag("--compress", o.server.compressed, "asks for compressed answers; environment LOKI_HTTP_COMPRESSION")
      ->group(group);
  option("--ca-cert", o.server.client.tls.ca_file,
         "PEM file of the authority that vouches for the server; environment LOKI_CA_CERT_PATH");
  app.add_flag("--tls-skip-verify", o.server.skip_verify, "any certificate will do; environment LOKI_TLS_SKIP_VERIFY")
      ->group(group);
  option("--cert", o.server.client.tls.cert_file, "PEM file of our own; environment LOKI_CLIENT_CERT_PATH");
  option("--key", o.server.client.tls.key_file, "PEM file of its key; environment LOKI_CLIENT_KEY_PATH");
  option("--proxy-url", o.server.client.proxy_url, "http://host:port; environment LOKI_HTTP_PROXY_URL");
  app.add_flag("--envproxy", o.environment_proxy, "the proxy of http_proxy, https_proxy; so it is without this, too")
      ->group(group);
  option("--timeout", o.timeout, "longest time for one request")->capture_default_str();
  option("--retries", o.server.retries, "how often a request is tried again; environment LOKI_CLIENT_RETRIES")
      ->capture_default_str();
  option("--min-backoff", o.min_backoff,
         "wait before the first time; a plain number is seconds; environment LOKI_CLIENT_MIN_BACKOFF")
      ->capture_default_str();
  option("--max-backoff", o.max_backoff, "longest wait; it doubles each time; environment LOKI_CLIENT_MAX_BACKOFF")
      ->capture_default_str();
}

void add_output_options(CLI::App& app, CliOptions& o) {
  const char* group = "Output";
  app.add_option("-o,--output", o.form, "default: TIME LABELS LINE; raw: the line; jsonl: a JSON object a line")
      ->check(CLI::IsMember({"default", "raw", "jsonl"}))
      ->group(group)
      ->capture_default_str();
  app.add_option("-z,--timezone", o.timezone, "of the times shown: UTC or Local")
      ->check(CLI::IsMember({"UTC", "Local"}, CLI::ignore_case))
      ->group(group)
      ->capture_default_str();
  app.add_option("--output-timestamp-format", o.timestamp_format, "of the default output")
      ->check(CLI::IsMember({"ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850", "rfc1123", "rfc1123z",
                             "rfc3339", "rfc3339nano", "kitchen", "stamp"}))
      ->group(group)
      ->capture_default_str();
  app.add_flag("-q,--quiet", o.quiet, "no notes and no progress on stderr")->group(group);
}

void add_entry_options(CLI::App& app, CliOptions& o) {
  const char* group = "Output";
  app.add_flag("--no-labels", o.no_labels, "only time and line")->group(group);
  app.add_option("--include-label", o.include_labels, "show only this label; may be repeated")
      ->allow_extra_args(false)
      ->group(group);
  app.add_option("--exclude-label", o.exclude_labels, "do not show this label; may be repeated")
      ->allow_extra_args(false)
      ->group(group);
  app.add_flag("--include-common-labels", o.include_common, "labels that all entries share; they are always shown")
      ->group(group);
  app.add_option("--labels-length", o.labels_length, "pad the labels to this width")->group(group);
  app.add_flag("--colored-output", o.colored, "one colour for each stream")->group(group);
}

void add_time_options(CLI::App& app, CliOptions& o) {
  app.add_option("--since", o.since, "how far back from --to (or now): 30m, 6h, 7d")->capture_default_str();
  app.add_option("--from", o.from, "first time, instead of --since: 2026-11-01T10:00:00Z or seconds since 1970");
  app.add_option("--to", o.to, "end, not included; default: now");
}

void add_parallel_options(CLI::App& app, CliOptions& o) {
  const char* group = "Large exports";
  app.add_option("--parallel-duration", o.parallel_duration, "the time span is cut into parts of this length")
      ->group(group)
      ->capture_default_str();
  app.add_option("--parallel-max-workers", o.parallel_workers, "parts fetched at the same time")
      ->check(CLI::Range(1, 64))
      ->group(group)
      ->capture_default_str();
  app.add_option("--part-path-prefix", o.part_prefix,
                 "keep each part in a file PREFIX_FROM_TO.part; started again, only what is missing is fetched")
      ->group(group);
  app.add_flag("--overwrite-completed-parts", o.overwrite_parts, "fetch parts again that are there")->group(group);
  app.add_flag("--merge-parts", o.merge_parts, "when all parts are there: print them in order, and remove them")
      ->group(group);
  app.add_flag("--keep-parts", o.keep_parts, "do not remove them")->group(group);
}

void add_stdin_option(CLI::App& app, CliOptions& o) {
  app.add_flag("--stdin", o.from_stdin, "query the lines of standard input, in their order; no server is asked")
      ->group("Server");
}

// Accepted to be refused with a reason (cli.cc).
void add_store_options(CLI::App& app, CliOptions& o) {
  for (const char* name : {"--store-config", "--remote-schema", "--schema-store"})
    app.add_option(name, o.store_config)->group("")->expected(0, 1)->default_str(name);
}

void add_query(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("query", "entries, or a metric over time");
  c->add_option("QUERY", o.query, "LogQL")->required();
  c->add_option("--limit", o.limit, "entries at most; 0: all of them")->capture_default_str();
  c->add_option("--batch", o.batch, "entries a request")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  c->add_option("--step", o.step, "time between the points of a metric: 1m");
  c->add_option("--interval", o.interval, "at most one entry in this time: 10s");
  c->add_flag("--forward", o.forward, "oldest first");
  c->add_flag("--stats", o.stats, "what the query cost, on stderr");
  c->add_flag("-t,--tail,-f,--follow", o.follow, "go on with what comes from now on: as the command tail");
  c->add_option("--delay-for", o.delay_seconds, "of --tail: see there")->check(CLI::Range(0, 5));
  add_time_options(*c, o);
  add_entry_options(*c, o);
  add_parallel_options(*c, o);
  add_stdin_option(*c, o);
  add_store_options(*c, o);
  c->footer(R"(Examples:
  skidway query --since 6h --limit 100 '{namespace="shop"} |= "timeout"'
  skidway query --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z --limit 0 --forward -o raw \
    --parallel-max-workers 4 --part-path-prefix /tmp/shop --merge-parts '{namespace="shop"}' > shop.log
The second can be stopped and started again: parts that are complete are not fetched twice.)");
}

void add_tail(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("tail", "the newest entries, and those that come from now on, until Ctrl-C");
  c->add_option("QUERY", o.query, "LogQL without metrics")->required();
  c->add_option("--limit", o.limit, "entries of before, at most")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  c->add_option("--delay-for", o.delay_seconds,
                "seconds (0 to 5) that entries wait, so that slow senders are sorted in")
      ->check(CLI::Range(0, 5));
  add_time_options(*c, o);
  add_entry_options(*c, o);
  c->footer(
      "A lost connection is taken up again where it was lost.\nExample:\n  skidway tail '{app=\"api\"} |= \"error\"'");
}

void add_instant(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("instant-query", "a metric at one time")->alias("instant");
  c->add_option("QUERY", o.query, "LogQL")->required();
  c->add_option("--limit", o.limit, "entries at most")->capture_default_str();
  c->add_option("--now,--time", o.now, "the time to evaluate at; default: now");
  add_stdin_option(*c, o);
  c->add_flag("--stats", o.stats, "what the query cost, on stderr");
  c->footer("Example:\n  skidway instant-query 'sum by (pod) (count_over_time({namespace=\"shop\"}[5m]))'");
}

void add_labels(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("labels", "names of labels, or the values of one");
  c->add_option("NAME", o.name, "the label whose values are wanted");
  add_time_options(*c, o);
  c->footer("Example:\n  skidway labels namespace --since 7d");
}

void add_series(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("series", "the label sets of streams");
  c->add_option("SELECTOR", o.query, "as {namespace=\"shop\"}; default: every stream");
  c->add_flag("--analyze-labels", o.analyze_labels, "how many values each label has, and in how many streams");
  add_time_options(*c, o);
  c->footer("Examples:\n  skidway series '{namespace=\"shop\"}'\n  skidway series --analyze-labels '{}'");
}

void add_stats(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("stats", "how much there is of some streams: streams, chunks, bytes, entries");
  c->add_option("SELECTOR", o.query, "as {namespace=\"shop\"}")->required();
  add_time_options(*c, o);
  c->footer("Example:\n  skidway stats --since 24h '{namespace=\"shop\"}'");
}

void add_volume(CLI::App& app, CliOptions& o, const char* name, const char* help) {
  CLI::App* c = app.add_subcommand(name, help);
  c->add_option("SELECTOR", o.query, "as {namespace=\"shop\"}")->required();
  c->add_option("--limit", o.limit, "the largest so many")->capture_default_str();
  c->add_option("--targetLabels", o.target_labels, "sum up by these labels: app,namespace");
  c->add_flag("--aggregateByLabels", o.aggregate_by_labels, "one line for each label instead of each set of labels");
  if (std::string_view(name) == "volume_range") c->add_option("--step", o.step, "time between points; default 1h");
  add_time_options(*c, o);
  c->footer(concat("Example:\n  skidway ", name, " --since 24h --targetLabels app '{namespace=\"shop\"}'"));
}

void add_detected_fields(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("detected-fields", "fields inside of lines, with their types; or the values of one");
  c->add_option("QUERY", o.query, "LogQL without metrics")->required();
  c->add_option("FIELD", o.name, "the field whose values are wanted");
  c->add_option("--limit", o.field_limit, "fields (values) at most")->capture_default_str();
  c->add_option("--line-limit", o.line_limit, "lines that are looked at")->capture_default_str();
  c->add_option("--step", o.step, "as for query");
  add_time_options(*c, o);
  c->footer("Example:\n  skidway detected-fields '{app=\"api\"}' status");
}

void add_fmt(CLI::App& app, CliOptions& o) {
  CLI::App* c = app.add_subcommand("fmt", "a query as the server would write it, over several lines where it is long");
  c->add_option("QUERY", o.query, "LogQL; default: what is on standard input");
  c->footer("Example:\n  echo 'sum by(a)(rate({b=\"c\"}[5m]))' | skidway fmt");
}

void add_delete(CLI::App& app, CliOptions& o) {
  CLI::App* c =
      app.add_subcommand("delete", "entries that are to be deleted for ever: create, list or cancel requests");
  c->require_subcommand(1);
  c->footer(
      "Example:\n  skidway delete create --from 2026-11-01T00:00:00Z --to 2026-11-02T00:00:00Z '{app=\"api\"} |= "
      "\"password\"'\n  skidway delete list");
  CLI::App* create = c->add_subcommand("create", "asks to delete the entries of a query in a time span");
  create->add_option("QUERY", o.query, "selector, with line and label filters if need be")->required();
  create->add_option("--from", o.from, "first time: 2026-11-01T10:00:00Z or seconds since 1970")->required();
  create->add_option("--to", o.to, "last time; default: now");
  create->add_option("--max-interval", o.max_interval, "the request is carried out in parts of this length: 24h");
  c->add_subcommand("list", "the requests there are, and how far they are");
  CLI::App* cancel = c->add_subcommand("cancel", "takes a request back that has not been carried out");
  cancel->add_option("--request-id", o.request_id, "as list shows it")->required();
  cancel->add_flag("--force", o.force, "also one that has begun");
  for (CLI::App* command : {create, c->get_subcommand("list"), cancel}) command->fallthrough();
}

std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  if (chosen.empty())
    return "say what to do: query, tail, instant-query, labels, series, stats, ...; see skidway --help";
  return concat(error.what(), "; see skidway ", chosen.front()->get_name(), " --help");
}

}  // namespace

ChosenCommand parse_command_line(std::vector<std::string> arguments, const CliWorld& world, CliOptions& options) {
  CLI::App app("Asks a Skidway or Loki server.", "skidway");
  app.set_version_flag("--version", pipeline::version_text("skidway"));
  app.require_subcommand(1);
  app.footer(kFooter);
  add_query(app, options);
  add_tail(app, options);
  add_instant(app, options);
  add_labels(app, options);
  add_series(app, options);
  add_stats(app, options);
  add_volume(app, options, "volume", "bytes of streams, the largest first");
  add_volume(app, options, "volume_range", "the same over time");
  add_detected_fields(app, options);
  add_delete(app, options);
  add_fmt(app, options);
  for (CLI::App* command : app.get_subcommands({})) {
    add_output_options(*command, options);
    add_server_options(*command, options);
  }
  add_output_options(app, options);
  add_stdin_option(app, options);
  add_server_options(app, options);                  // logcli takes them before the command, too
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& help) {
    return {"", app.exit(help, world.out, world.err)};
  } catch (const CLI::ParseError& error) {
    world.err << "skidway: " << usage_error(app, error) << "\n";
    return {"", 2};
  }
  std::string name;
  for (const CLI::App* chosen = &app; !chosen->get_subcommands().empty();) {
    chosen = chosen->get_subcommands().front();
    name += concat(name.empty() ? "" : " ", chosen->get_name());
  }
  return {std::move(name), 0};
}

}  // namespace server
