// Jobs and leases: the tables that say who may work on what. Called within the transactions of its owner.
//
// A job's number is its fence: never given again. Times are those of the catalogue's clock.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "pipeline/db/database.h"
#include "server/catalog/catalog.h"

namespace server {

class JobTable {
 public:
  // Made where they are missing (files of before), as NoteTable's is.
  static constexpr std::string_view kSchema = R"(
CREATE TABLE IF NOT EXISTS lease (
  name TEXT NOT NULL PRIMARY KEY,
  owner TEXT NOT NULL,
  fence INTEGER NOT NULL,          -- rises with each new owner
  until INTEGER NOT NULL           -- ns since 1970
) STRICT;
CREATE TABLE IF NOT EXISTS job (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  owner TEXT NOT NULL,
  until INTEGER NOT NULL           -- ns since 1970
) STRICT;
CREATE TABLE IF NOT EXISTS job_input (
  object BLOB NOT NULL PRIMARY KEY, -- 16 bytes
  job INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS job_output (
  object BLOB NOT NULL PRIMARY KEY, -- 16 bytes
  key TEXT NOT NULL,
  job INTEGER NOT NULL             -- 0: ingest's, -1: of none that runs, -2: ingest's in a program that is no more
) WITHOUT ROWID, STRICT;
)";

  explicit JobTable(pipeline::Database& db) : db_(db) {}  // the tables are there

  Result<uint64_t> claim(std::span<const Ulid> inputs, const LeaseTerms& lease, UnixNanos now);
  Result<void> renew(uint64_t job, const LeaseTerms& lease, UnixNanos now);
  Result<void> check(uint64_t job);  // kInvalid: it is no more
  Result<void> plan_output(uint64_t job, const DeadObject& output);
  Result<void> end(uint64_t job);  // its planned outputs stay, to be deleted
  Result<void> abandon_output(const Ulid& object);
  Result<void> forget_output(const Ulid& object);  // it is live, or gone
  Result<bool> plans(const Ulid& object);          // or planned, and it may still be there
  Result<std::vector<AbandonedOutput>> abandoned_outputs();
  Result<std::vector<Ulid>> claimed(UnixNanos now);  // sorted
  Result<void> end_all();                            // of programs that are no more

  Result<uint64_t> take_lease(std::string_view name, const LeaseTerms& lease, UnixNanos now);

 private:
  Result<void> end_expired(UnixNanos now);
  template <class... Values>
  Result<void> run(std::string_view sql, const Values&... values);

  pipeline::Database& db_;  // statements are few and rare: prepared when used
};

}  // namespace server
