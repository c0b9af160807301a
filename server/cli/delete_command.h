// `skidway delete`: asks Loki's delete API (facts: Loki 3.x HTTP API, /loki/api/v1/delete).
//
// Errors: sentences for the user. kCancelled: nobody reads the output any more.
#pragma once

#include "server/cli/commands.h"

namespace server {

struct DeleteRange {
  std::string query = {};
  TimeSpan span = {};             // to the second
  std::string max_interval = {};  // "24h"; empty: the server's
};

pipeline::Result<void> run_delete_create(const ServerConnection& server, const DeleteRange& range,
                                         const CommandOutput& output);
pipeline::Result<void> run_delete_list(const ServerConnection& server, const CommandOutput& output);
// `force`: also of a request that has begun, as far as it is not done.
pipeline::Result<void> run_delete_cancel(const ServerConnection& server, const std::string& request, bool force,
                                         const CommandOutput& output);

}  // namespace server
