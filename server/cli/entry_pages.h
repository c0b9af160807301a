// EntryPages: all entries of a log query, fetched page by page, in order of time, none twice.
//
// The server answers at most so many entries at once. The next page begins at the time of the last entry, since more
// entries may have that time; what was already handed out is left out.
// Errors: those of ServerConnection; kOverLimit when more entries share one time than the server answers at once.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "server/cli/query_answer.h"
#include "server/cli/server_connection.h"

namespace server {

struct EntryQuery {
  std::string query = {};
  pipeline::UnixNanos start = 0, end = 0;  // [start, end)
  uint64_t limit = 30;                     // entries in all; 0: every one
  uint64_t page = 5000;                    // entries a request
  bool forward = false;                    // oldest first
  std::string step = {};                   // for metrics, as the user wrote it
  std::string interval = {};               // likewise, for entries
  bool with_metadata = false;              // tell labels, metadata and parsed values apart
};

class EntryPages {
 public:
  EntryPages(const ServerConnection& server, EntryQuery query);

  // The next page; of a metric query the whole answer at once. `entries` are sorted, newest first unless `forward`.
  pipeline::Result<QueryAnswer> next();
  bool finished() const { return finished_; }

 private:
  pipeline::Result<QueryAnswer> fetch(uint64_t limit) const;
  void skip_known(QueryAnswer& answer);

  const ServerConnection& server_;
  EntryQuery query_;
  uint64_t handed_out_ = 0;
  std::set<std::string> known_;       // entries at the edge of the last page
  uint64_t server_max_ = UINT64_MAX;  // entries the server answers at once, as far as it has said so
  bool finished_ = false;
};

}  // namespace server
