// A query of lines that come on standard input instead of from a server: `... | skidway query --stdin '|= "error"'`.
//
// Every line is an entry of one stream, one microsecond after the line before; the last one comes now. The labels that
// a selector asks for by = are the stream's, so any such selector matches; it may be left out. Limits: all lines are
// held in memory. Errors: kInvalid (the query), with the server's words.
#pragma once

#include <iosfwd>

#include "server/cli/commands.h"

namespace server {

// Entries come in the order of the lines; a metric is evaluated once, at the last line.
pipeline::Result<void> run_stdin_query(const std::string& query, std::istream& in, pipeline::UnixNanos now,
                                       const CommandOutput& output);

}  // namespace server
