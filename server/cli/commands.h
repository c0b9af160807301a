// What the subcommands do, once their options are read.
//
// Errors: sentences for the user; nothing is printed to `out` after one. kCancelled: nobody reads the output any more.
#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/answer_printer.h"
#include "server/cli/entry_pages.h"

namespace server {

struct CommandOutput {
  std::ostream& out;
  std::ostream& err;
  OutputStyle style = {};
  bool stats = false;  // to err
  bool quiet = false;  // no notes to err
};

struct TimeSpan {
  pipeline::UnixNanos start = 0, end = 0;
};

pipeline::Result<void> run_query(const ServerConnection& server, EntryQuery query, const CommandOutput& output);
pipeline::Result<void> run_instant(const ServerConnection& server, const std::string& query, pipeline::UnixNanos time,
                                   uint64_t limit, const CommandOutput& output);
// Names of labels, or with `name` its values.
pipeline::Result<void> run_labels(const ServerConnection& server, const std::string& name, TimeSpan range,
                                  const CommandOutput& output);
// An empty selector means every series.
enum class SeriesForm { kList, kAnalysis };
pipeline::Result<void> run_series(const ServerConnection& server, const std::string& selector, TimeSpan range,
                                  SeriesForm form, const CommandOutput& output);
pipeline::Result<void> run_stats(const ServerConnection& server, const std::string& selector, TimeSpan range,
                                 const CommandOutput& output);

struct VolumeQuery {
  std::string selector = {};
  TimeSpan range = {};
  uint64_t limit = 30;
  std::string target_labels = {};
  bool aggregate_by_labels = false;
  std::string step = {};  // not empty: over time
};
pipeline::Result<void> run_volume(const ServerConnection& server, const VolumeQuery& query,
                                  const CommandOutput& output);

struct FieldsQuery {
  std::string query = {};
  std::string field = {};  // its values; empty: the fields
  TimeSpan range = {};
  uint64_t limit = 100, line_limit = 100;
  std::string step = {};
};
pipeline::Result<void> run_detected_fields(const ServerConnection& server, const FieldsQuery& query,
                                           const CommandOutput& output);
pipeline::Result<void> run_format(const ServerConnection& server, const std::string& query,
                                  const CommandOutput& output);

// What all commands print with. closed output: kCancelled.
pipeline::Result<void> print_text(const std::string& text, const CommandOutput& output);
pipeline::Result<void> print_answer(const QueryAnswer& answer, const CommandOutput& output);
// Rows of columns, each as wide as its widest cell.
std::string table(const std::vector<std::vector<std::string>>& rows);
std::string one_line(std::string json);  // without the line ends behind it

// RFC 3339, or as the server reads numbers: up to 10 digits are seconds, more are nanoseconds. kInvalid says what to
// write.
pipeline::Result<pipeline::UnixNanos> parse_time_option(const std::string& text);

}  // namespace server
