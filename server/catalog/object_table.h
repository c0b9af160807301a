// The catalogue's table of objects. Called within the transactions of its owner.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "pipeline/db/database.h"
#include "server/catalog/catalog.h"

namespace server {

class ObjectTable {
 public:
  enum class State { kLive, kDead };
  static constexpr std::string_view kSchema = R"(
CREATE TABLE object (
  id BLOB NOT NULL PRIMARY KEY,    -- 16 bytes
  key TEXT NOT NULL,
  level INTEGER NOT NULL,
  hour INTEGER NOT NULL,           -- of min_time, since 1970
  min_time INTEGER NOT NULL,
  max_time INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  streams INTEGER NOT NULL,
  raw_bytes INTEGER NOT NULL,
  size INTEGER NOT NULL,
  footer_length INTEGER NOT NULL,
  tenants BLOB NOT NULL,           -- (varint length, name)*, sorted
  dead_at INTEGER,                 -- ns since 1970; NULL: live
  deletes_applied INTEGER NOT NULL DEFAULT 0,
  retention INTEGER NOT NULL DEFAULT 0, -- seconds
  ids_length INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID, STRICT;
CREATE INDEX object_by_hour ON object (hour) WHERE dead_at IS NULL;
CREATE INDEX object_by_death ON object (dead_at) WHERE dead_at IS NOT NULL;
)";

  // From versions 1 and 2 of the tables to the next.
  static constexpr std::string_view kUpgrade1 =
      "ALTER TABLE object ADD COLUMN deletes_applied INTEGER NOT NULL DEFAULT 0;"
      "ALTER TABLE object ADD COLUMN retention INTEGER NOT NULL DEFAULT 0";
  static constexpr std::string_view kUpgrade2 = "ALTER TABLE object ADD COLUMN ids_length INTEGER NOT NULL DEFAULT 0";

  static Result<ObjectTable> open(pipeline::Database& db);

  Result<void> insert(const ObjectRow& row);
  Result<std::optional<State>> state(const Ulid& object);     // nothing: no row
  Result<bool> mark_dead(const Ulid& object, UnixNanos now);  // false: was not live
  // Those that died after `now` (the clock was ahead) died just before it, in the same order. Before a mark_dead(): so
  // the order of deaths is always that in which they happened.
  Result<void> correct_deaths(UnixNanos now);
  Result<void> mark_applied(const Ulid& object, uint64_t through);  // never lowered
  Result<void> forget(const Ulid& object);                          // if it is dead
  Result<std::vector<ObjectRow>> live();
  Result<std::vector<DeadObject>> dead_since(UnixNanos time);  // the longest dead first
  // Exactly this swap was done already: its answer was lost and the caller asks again.
  Result<bool> was_swapped(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs);
  // Some object, live or dead, may hold entries that the request touches.
  Result<bool> holds_entries_of(const DeleteRequest& request);

 private:
  ObjectTable(pipeline::Statement insert, pipeline::Statement state, pipeline::Statement mark_dead,
              pipeline::Statement mark_applied, pipeline::Statement forget, pipeline::Statement live,
              pipeline::Statement dead, pipeline::Statement touched, pipeline::Statement later_deaths,
              pipeline::Statement move_death)
      : insert_(std::move(insert)),
        state_(std::move(state)),
        mark_dead_(std::move(mark_dead)),
        mark_applied_(std::move(mark_applied)),
        forget_(std::move(forget)),
        live_(std::move(live)),
        dead_(std::move(dead)),
        touched_(std::move(touched)),
        later_deaths_(std::move(later_deaths)),
        move_death_(std::move(move_death)) {}

  pipeline::Statement insert_, state_, mark_dead_, mark_applied_, forget_, live_, dead_, touched_, later_deaths_,
      move_death_;
};

}  // namespace server
