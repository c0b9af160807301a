// Notes: what was computed from an object and may be used again (objects never change, so a note is right as long as
// its object exists). The rows of the table `note`.
//
// Thread: one at a time.
// Limits: kMaxNotes; beyond it the oldest go.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/db/database.h"
#include "server/store/ulid.h"

namespace server {

class NoteTable {
 public:
  static constexpr int64_t kMaxNotes = 20'000;

  // In files of before, the table is missing: it is made where it is not there, which needs no new schema version, as
  // an older program leaves it alone.
  static constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS note (
  number INTEGER PRIMARY KEY,      -- rises
  object BLOB NOT NULL,            -- 16 bytes
  kind TEXT NOT NULL,              -- what was asked
  bytes BLOB NOT NULL,
  UNIQUE (object, kind)
) STRICT;
)";

  static pipeline::Result<NoteTable> open(pipeline::Database& db);

  pipeline::Result<std::optional<std::string>> find(const Ulid& object, std::string_view kind);
  pipeline::Result<void> keep(const Ulid& object, std::string_view kind, std::string_view bytes);
  pipeline::Result<void> forget(const Ulid& object);

 private:
  NoteTable(pipeline::Statement find, pipeline::Statement keep, pipeline::Statement forget, pipeline::Statement trim)
      : find_(std::move(find)), keep_(std::move(keep)), forget_(std::move(forget)), trim_(std::move(trim)) {}
  pipeline::Statement find_, keep_, forget_, trim_;
};

}  // namespace server
