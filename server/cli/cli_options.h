// CliOptions: what a command line of `skidway` says; names, defaults and environment variables are logcli's.
#pragma once

#include <string>
#include <vector>

#include "server/cli/cli.h"
#include "server/cli/server_connection.h"

namespace server {

struct CliOptions {
  ServerOptions server;
  std::string timeout = "5m", min_backoff = "500ms", max_backoff = "30s";
  std::string bearer_token_file;
  std::vector<std::string> headers;  // "Name: value"
  bool environment_proxy = false;    // the default anyway

  std::string form = "default", timezone = "UTC", timestamp_format = "rfc3339nano";
  bool no_labels = false, colored = false, quiet = false, stats = false, include_common = false;
  std::vector<std::string> include_labels, exclude_labels;
  uint64_t labels_length = 0;

  std::string since = "1h", from, to, now;
  std::string query;  // or selector
  std::string name;   // of a label or field
  uint64_t limit = 30, batch = 5000, field_limit = 100, line_limit = 100;
  std::string step, interval;
  bool forward = false, follow = false;
  uint64_t delay_seconds = 0;
  bool analyze_labels = false, aggregate_by_labels = false;
  std::string target_labels;

  bool from_stdin = false;  // query lines of standard input
  std::string max_interval, request_id;
  bool force = false;
  std::string store_config;  // refused

  std::string parallel_duration = "1h", part_prefix;
  uint64_t parallel_workers = 1;
  bool overwrite_parts = false, merge_parts = false, keep_parts = false;
};

// The chosen command. Empty: nothing is left to do but to exit with `exit_code` (help, version, wrong usage; said so).
struct ChosenCommand {
  std::string name;  // "query", "delete create"
  int exit_code = 0;
};
ChosenCommand parse_command_line(std::vector<std::string> arguments, const CliWorld& world, CliOptions& options);

}  // namespace server
