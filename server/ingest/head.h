// Head: the acknowledged entries that are in no object yet.
//
// Two pieces: the one that grows, and, while a flush runs, the one it writes. An entry is in the head from the moment
// its frame is synced until the catalogue has its object.
//
// Thread:  any; one lock, held for a memcpy of a small push, the move of a large one or the copy of what a snapshot
// takes. Limits:  none of its own: its owner flushes it and holds pushes back by raw_bytes().
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/ingest/batch_number.h"
#include "server/ingest/batch_ranges.h"
#include "server/ingest/head_block.h"
#include "server/ingest/head_snapshot.h"
#include "server/ingest/pushed_entries.h"

namespace server {

// What one flush writes. Never changes.
struct SealedHead {
  struct Producer {
    std::string tenant;
    pipeline::Hash128 id;
    uint64_t epoch = 0;
    auto operator<=>(const Producer&) const = default;
  };
  std::map<std::string, HeadStreams> tenants;
  std::map<Producer, BatchRanges> batches;
  uint64_t last_frame = 0;
  uint64_t raw_bytes = 0;  // as Head counts them
  uint64_t entries = 0;
};

// What one push added to a stream.
struct HeadAddition {
  std::shared_ptr<const Stream> stream;
  HeadRun run;
};

class Head {
 public:
  Head();
  ~Head();

  // Frames come in order of their numbers. `entries` may be empty. `added`, if there, gets what was added.
  void add(PushedEntries entries, std::string_view tenant, uint64_t frame, const std::optional<BatchNumber>& batch,
           std::vector<HeadAddition>* added = nullptr);

  HeadSnapshot snapshot(std::string_view tenant) const;

  // Everything added so far, to be flushed; the same again until drop_sealed(). Null: nothing there.
  std::shared_ptr<const SealedHead> seal();
  void drop_sealed();  // the catalogue has it

  // What both pieces take in memory: entries, their runs, streams with their labels.
  uint64_t raw_bytes() const { return raw_bytes_; }
  uint64_t growing_bytes() const { return growing_bytes_; }  // of the one that grows

 private:
  struct Tenant;
  struct Growing;
  void add_part(Tenant& tenant, const PushedEntries::Part& part, const EntrySlice& slice, uint32_t entries,
                uint32_t first, std::vector<HeadAddition>* added);

  mutable std::mutex mutex_;                  // guards the following
  std::unique_ptr<Growing> growing_;          // never null
  std::shared_ptr<const SealedHead> sealed_;  // null: no flush runs
  std::atomic<uint64_t> raw_bytes_{0}, growing_bytes_{0};
};

}  // namespace server
