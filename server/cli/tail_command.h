// The command `tail`: entries as they come, over a WebSocket, taken up again where a lost connection was lost.
//
// After a break the next connection asks for the history from the time of the latest entry shown; entries that were
// shown already (same time and line) are left out.
// Errors: those of ServerConnection for the first connection; kInvalid for what the server says is wrong; kCancelled
// when nobody reads the output. Ends well when the server closes normally.
#pragma once

#include <chrono>

#include "server/cli/commands.h"

namespace server {

struct TailQuery {
  std::string query = {};
  pipeline::UnixNanos start = 0;
  uint64_t limit = 30;
  uint64_t delay_seconds = 0;
};

pipeline::Result<void> run_tail(const ServerConnection& server, TailQuery query, const CommandOutput& output);

}  // namespace server
