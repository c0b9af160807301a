// Catalog: which objects are visible, and which numbered batches have been stored. An atomic, rebuildable index over
// the object store: an object exists for readers exactly while its row is live in one snapshot.
//
// Engines: SQLite (open_sqlite_catalog). The interface is made so that PostgreSQL can implement it too.
// Thread:  any; calls block on disk: workers call them, never the loop.
// Errors:  kIo, kUnavailable: nothing is known about the outcome of a commit: repeat it (commit_l0 and swap are
//          idempotent). kInvalid: the request contradicts what is stored, nothing was changed.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "server/store/object_writer.h"
#include "server/store/ulid.h"

namespace server {

struct ObjectRow {
  std::string key;
  ObjectSummary summary;
  bool operator==(const ObjectRow& other) const { return summary.object == other.summary.object; }
};

// Hours since 1970.
inline int64_t hour_of(UnixNanos time) {
  constexpr int64_t kHour = 3'600'000'000'000;
  return time >= 0 ? time / kHour : (time + 1) / kHour - 1;
}

struct DeadObject {
  Ulid object;
  std::string key;
};

// The live objects at one moment. Never changes.
struct CatalogSnapshot {
  uint64_t version = 0;        // rises with every change of the live set
  uint64_t flushed_frame = 0;  // as the last commit_l0 said: frames of the WAL up to this number are in objects
  std::vector<ObjectRow> objects;
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual Ulid cluster() const = 0;

  // In one transaction: the objects become live, the batch numbers are remembered, and `flushed_frame` (number of the
  // last WAL frame in these objects) is raised, never lowered. Repeating it changes nothing.
  virtual Result<void> commit_l0(std::span<const ObjectRow> objects, std::span<const ProducerRange> batches,
                                 uint64_t flushed_frame) = 0;

  // In one transaction: all inputs become dead and all outputs live. kInvalid where an input is not live (any more),
  // unless exactly this swap was done before. Outputs may be empty.
  virtual Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs) = 0;

  // Cheap where nothing has changed since the last call (the same pointer again).
  virtual Result<std::shared_ptr<const CatalogSnapshot>> snapshot() = 0;

  // All batch numbers stored and not forgotten, as maximal ranges, for the start of ingest.
  virtual Result<std::vector<ProducerRange>> batches() = 0;
  // Forgets epochs of producers that stored nothing for `unused`. Returns how many.
  virtual Result<uint64_t> forget_batches(std::chrono::hours unused = std::chrono::hours(35 * 24)) = 0;

  // Objects dead for at least `grace`, to be deleted from the store, then forgotten.
  virtual Result<std::vector<DeadObject>> dead_objects(std::chrono::seconds grace) = 0;
  // Removes the rows of dead objects whose files are gone.
  virtual Result<void> forget_objects(std::span<const Ulid> objects) = 0;
  // What was computed from an object, `kind` saying what; right as long as the object exists, forgotten with its row.
  // May be lost at any time.
  virtual Result<std::optional<std::string>> find_note(const Ulid& object, std::string_view kind) = 0;
  virtual Result<void> keep_note(const Ulid& object, std::string_view kind, std::string_view bytes) = 0;
  // Of `objects`, those with a row, live or dead.
  virtual Result<std::vector<Ulid>> known(std::span<const Ulid> objects) = 0;
};

struct CatalogOptions {
  std::string path;  // of the SQLite file; made where absent
  std::chrono::milliseconds busy_timeout{10'000};
};

// `clock` outlives the catalogue: dead_at and last use are its wall times.
Result<std::unique_ptr<Catalog>> open_sqlite_catalog(CatalogOptions options, const pipeline::Clock& clock);

}  // namespace server
