// Large exports: the time span is cut into parts, several are fetched at the same time, each into a file of its own
// that has its final name only when it is complete. Started again, what is complete is not fetched again.
//
//   PREFIX_2026-11-01T00:00:00Z_2026-11-01T01:00:00Z.part        complete
//   PREFIX_2026-11-01T01:00:00Z_2026-11-01T02:00:00Z.part.tmp    being fetched, or left over
//
// Thread: blocks; workers of its own.
// Errors: the first of any part; the other parts are finished first, so that nothing fetched is lost. Files: kIo.
#pragma once

#include <chrono>

#include "server/cli/commands.h"

namespace server {

struct ExportOptions {
  std::chrono::nanoseconds part_duration = std::chrono::hours(1);
  size_t workers = 1;
  std::string part_prefix = {};  // empty: a temporary folder, and the parts are printed
  bool overwrite_parts = false;
  bool merge_parts = false;  // print them in order when all are complete
  bool keep_parts = false;   // do not remove them after that
  bool terminal = false;     // stderr is one: the bar moves on one line
};

pipeline::Result<void> run_export(const ServerConnection& server, const EntryQuery& query, const ExportOptions& options,
                                  const CommandOutput& output);

}  // namespace server
