// Catalog: which objects are visible, and which numbered batches have been stored. An atomic, rebuildable index over
// the object store: an object exists for readers exactly while its row is live in one snapshot.
//
// Engines: SQLite (open_sqlite_catalog). The interface is made so that PostgreSQL can implement it too.
// Thread:  any; calls block on disk: workers call them, never the loop.
// Errors:  kIo, kUnavailable: nothing is known about the outcome of a commit: repeat it (commit_l0 and swap are
//          idempotent). kInvalid: the request contradicts what is stored, nothing was changed.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
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

// What was to become an object, and will not by the hand of whoever planned it.
struct AbandonedOutput {
  Ulid object;
  std::string key;
  // Of ingest in a program that is no more: it may have been committed all the same, where this catalogue is a copy
  // that was put back.
  bool left_by_ingest = false;
};

// A request to delete. It touches entries of its tenant in [begin, end) that the query matches and that are in objects
// whose deletes_applied is below its number, that is, that were stored before it.
struct DeleteRequest {
  uint64_t number = 0;  // rises from request to request, from 1
  std::string id{};     // what clients see
  std::string tenant{}, query{};
  UnixNanos begin = 0, end = 0;
  UnixNanos created = 0;
  // The receipt. Processed: every object is rewritten, and no object of before exists any more.
  UnixNanos processed = 0;  // 0: not yet
  uint64_t removed_entries = 0, removed_bytes = 0;
  // Objects of which pages could not be read when it was applied: their keys. What is left of them is set aside.
  std::vector<std::string> unreadable{};
  bool operator==(const DeleteRequest&) const = default;
};

// By tenant and times: the object may hold what the request was made for.
inline bool holds_range_of(const ObjectSummary& summary, const DeleteRequest& request) {
  return summary.max_time >= request.begin && summary.min_time < request.end &&
         std::binary_search(summary.tenants.begin(), summary.tenants.end(), request.tenant);
}

// The live objects at one moment. Never changes.
struct CatalogSnapshot {
  uint64_t version = 0;        // rises with every change of the live set or of the deletes
  uint64_t flushed_frame = 0;  // as the last commit_l0 said: frames of the WAL up to this number are in objects
  std::vector<ObjectRow> objects;
  std::vector<DeleteRequest> deletes;  // not processed yet, by number
  uint64_t last_delete = 0;            // the highest number given
};

// What a merge removed for a request to delete.
struct ErasedCount {
  uint64_t request = 0;  // its number
  uint64_t entries = 0, bytes = 0;
};

// Who works, and for how long nobody else may. Compared with the catalogue's clock only.
struct LeaseTerms {
  std::string owner;
  std::chrono::seconds length{30};
};

// An object that could not be read wholly when a request was applied to it.
struct UnreadableObject {
  uint64_t request = 0;  // its number
  std::string key;
};

// What a swap needs to say besides what is swapped.
struct SwapDetails {
  uint64_t job = 0;  // 0: none; otherwise the swap fails unless the job is still its owner's
  std::vector<ErasedCount> erased{};
  std::vector<UnreadableObject> unreadable{};
};

// The job of what ingest writes: it ends with the program, and an output of it with commit_l0.
inline constexpr uint64_t kIngestJob = 0;

class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual Ulid cluster() const = 0;

  // In one transaction: the objects become live, the batch numbers are remembered, and `flushed_frame` (number of the
  // last WAL frame in these objects) is raised, never lowered; likewise the highest number of a request to delete, to
  // what the objects say was applied to them. Repeating it changes nothing.
  virtual Result<void> commit_l0(std::span<const ObjectRow> objects, std::span<const ProducerRange> batches,
                                 uint64_t flushed_frame) = 0;

  // In one transaction: all inputs become dead and all outputs live, and the job, if there is one, ends. kInvalid where
  // an input is not live (any more) or the job was taken over, unless exactly this swap was done before. Outputs may be
  // empty.
  virtual Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs,
                            const SwapDetails& details) = 0;
  Result<void> swap(std::span<const Ulid> inputs, std::span<const ObjectRow> outputs) {
    return swap(inputs, outputs, {});
  }

  // --- Jobs: work on objects that nobody else may work on meanwhile. A job's number is its fence: it is never given
  // again, and a job whose lease ran out and that was taken over is no more.

  // Claims `inputs` until the lease ends; jobs whose lease ran out lose theirs. kUnavailable: an input is another's.
  virtual Result<uint64_t> claim_job(std::span<const Ulid> inputs, const LeaseTerms& lease) = 0;
  virtual Result<void> renew_job(uint64_t job, const LeaseTerms& lease) = 0;  // kInvalid: taken over
  // Before the object is begun: should the job end otherwise than by a swap, `output` is to be deleted.
  virtual Result<void> plan_output(uint64_t job, const DeadObject& output) = 0;
  // A planned output that nobody will finish, though its job goes on.
  virtual Result<void> abandon_output(const Ulid& output) = 0;
  virtual Result<void> end_job(uint64_t job) = 0;  // without a swap
  // Planned outputs of jobs that ended without a swap, to be deleted from the store, then forgotten; or brought in.
  virtual Result<std::vector<AbandonedOutput>> abandoned_outputs() = 0;
  virtual Result<void> forget_outputs(std::span<const Ulid> objects) = 0;
  // Inputs of running jobs, sorted.
  virtual Result<std::vector<Ulid>> claimed() = 0;
  // A lease by name, for what only one may do. Its fence rises each time the owner changes; kUnavailable: another has
  // it.
  virtual Result<uint64_t> take_lease(std::string_view name, const LeaseTerms& lease) = 0;

  // --- Requests to delete.

  // Gives the request its number, unless it has one: what is live now is touched by it, what is committed by ingest
  // later is not.
  virtual Result<uint64_t> add_delete(DeleteRequest request) = 0;
  virtual Result<std::vector<DeleteRequest>> deletes() = 0;  // all that were not cancelled, by number
  // In one transaction: of the objects that are live, none holds an entry that a request up to `through` touches.
  virtual Result<void> mark_applied(std::span<const Ulid> objects, uint64_t through) = 0;
  virtual Result<void> cancel_delete(uint64_t number) = 0;  // forgets it. kNotFound: no such; kInvalid: processed
  virtual Result<bool> is_applied(const DeleteRequest& request) = 0;  // no object of before holds entries of its range
  virtual Result<void> finish_delete(uint64_t number) = 0;            // processed now
  // Requests that were made or processed after now, by a clock that was ahead, were so now; likewise what died. Not to
  // be called while the clock is in doubt.
  virtual Result<void> correct_times() = 0;

  // --- Which of two catalogues of this cluster is the later one (generation.h).

  virtual Result<uint64_t> generation() = 0;        // 0: never raised
  virtual Result<uint64_t> raise_generation() = 0;  // by one; the new one

  // For a catalogue that is made anew: everything at once, in one transaction. kInvalid: it is not empty.
  struct Content {
    Ulid cluster;
    uint64_t generation = 0;
    uint64_t flushed_frame = 0;
    uint64_t last_delete = 0;
    std::vector<ObjectRow> objects{};
    std::vector<ProducerRange> batches{};
    std::vector<DeleteRequest> deletes{};
  };
  virtual Result<void> restore(const Content& content) = 0;
  virtual Result<bool> is_empty() = 0;  // nothing was ever stored

  // Cheap where nothing has changed since the last call (the same pointer again).
  virtual Result<std::shared_ptr<const CatalogSnapshot>> snapshot() = 0;

  // All batch numbers stored and not forgotten, as maximal ranges, for the start of ingest.
  virtual Result<std::vector<ProducerRange>> batches() = 0;
  // Forgets epochs of producers that stored nothing for `unused`. Returns how many.
  virtual Result<uint64_t> forget_batches(std::chrono::hours unused = std::chrono::hours(35 * 24)) = 0;

  // Objects dead for at least `grace`, to be deleted from the store in this order (the longest dead first), then
  // forgotten.
  virtual Result<std::vector<DeadObject>> dead_objects(std::chrono::seconds grace) = 0;
  // Removes the rows of dead objects whose files are gone.
  virtual Result<void> forget_objects(std::span<const Ulid> objects) = 0;
  // What was computed from an object, `kind` saying what; right as long as the object exists, forgotten with its row.
  // May be lost at any time.
  virtual Result<std::optional<std::string>> find_note(const Ulid& object, std::string_view kind) = 0;
  virtual Result<void> keep_note(const Ulid& object, std::string_view kind, std::string_view bytes) = 0;
  // Of `objects`, those with a row, live or dead, and those that a job plans or planned to write.
  virtual Result<std::vector<Ulid>> known(std::span<const Ulid> objects) = 0;
};

// Of two states of one catalogue the later one has the higher generation or, with the same, the higher version.
struct CatalogAge {
  Ulid cluster{};
  uint64_t generation = 0;
  uint64_t version = 0;  // CatalogSnapshot::version
};

struct CatalogOptions {
  std::string path;  // of the SQLite file; made where absent
  std::chrono::milliseconds busy_timeout{10'000};
  // Called after each commit that changed it, one at a time, before the caller hears of it; may be empty.
  std::function<void(const CatalogAge&)> changed{};
};

// `clock` outlives the catalogue: dead_at and last use are its wall times.
Result<std::unique_ptr<Catalog>> open_sqlite_catalog(CatalogOptions options, const pipeline::Clock& clock);

}  // namespace server
