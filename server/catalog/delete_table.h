// The catalogue's table of requests to delete. Called within the transactions of its owner.
#pragma once

#include <string_view>
#include <vector>

#include "pipeline/db/database.h"
#include "server/catalog/catalog.h"

namespace server {

class DeleteTable {
 public:
  // Made where they are missing (files of before), as NoteTable's is.
  static constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS delete_request (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  query TEXT NOT NULL,
  begin_time INTEGER NOT NULL,
  end_time INTEGER NOT NULL,       -- excluded
  created INTEGER NOT NULL,        -- ns since 1970, as all times
  processed INTEGER NOT NULL,      -- 0: not yet
  removed_entries INTEGER NOT NULL,
  removed_bytes INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS delete_unreadable (
  request INTEGER NOT NULL,        -- its number
  key TEXT NOT NULL,
  PRIMARY KEY (request, key)
) WITHOUT ROWID, STRICT;
)";

  explicit DeleteTable(pipeline::Database& db) : db_(db) {}  // the tables are there

  Result<uint64_t> add(const DeleteRequest& request);  // number 0: the next
  Result<std::vector<DeleteRequest>> all();            // by number
  Result<void> remove(uint64_t number);                // kNotFound, kInvalid: processed
  Result<void> finish(uint64_t number, UnixNanos now);
  // Times of making and of processing after `now` (the clock was ahead) become `now`.
  Result<void> correct_times(UnixNanos now);
  Result<void> count(const ErasedCount& erased);
  Result<void> note(const UnreadableObject& object);
  Result<uint64_t> last_number();  // the highest given, also to one that was cancelled
  Result<void> raise_last_number(uint64_t number);

 private:
  pipeline::Database& db_;  // statements are few and rare: prepared when used
};

}  // namespace server
