// What the subcommands do, once their options are read.
//
// Errors: sentences for the user; nothing is printed to `out` after one.
#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/answer_printer.h"
#include "server/cli/entry_pages.h"

namespace server {

struct CommandOutput {
  std::ostream& out;
  std::ostream& err;
  OutputForm form = OutputForm::kDefault;
  bool stats = false;  // to err
};

struct TimeRange {
  pipeline::UnixNanos start = 0, end = 0;
};

pipeline::Result<void> run_query(const ServerConnection& server, RangeQuery query, const CommandOutput& output);
pipeline::Result<void> run_instant(const ServerConnection& server, const std::string& query, pipeline::UnixNanos time,
                                   const CommandOutput& output);
// Names of labels, or with `name` its values.
pipeline::Result<void> run_labels(const ServerConnection& server, const std::string& name, TimeRange range,
                                  const CommandOutput& output);
// An empty selector means every series.
pipeline::Result<void> run_series(const ServerConnection& server, const std::string& selector, TimeRange range,
                                  const CommandOutput& output);

// RFC 3339, or as the server reads numbers: up to 10 digits are seconds, more are nanoseconds. kInvalid says what to
// write.
pipeline::Result<pipeline::UnixNanos> parse_time_option(const std::string& text);

}  // namespace server
