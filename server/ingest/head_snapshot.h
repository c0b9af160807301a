// HeadSnapshot: the entries that are acknowledged and in no object yet, as a query sees them.
//
// Life:    taken once at the start of a query and kept as long as it runs; what it points to never changes and stays
//          alive with it, also when the entries are flushed meanwhile.
// Thread:  any.
// Cost:    one small copy per run; no entry is copied.
//
// Consistency with the catalogue: take the head's snapshot FIRST, then the catalogue's, then call `drop_flushed` with
// CatalogSnapshot::flushed_frame (written in the transaction that made the object visible). An entry is then in exactly
// one of the two. `Ingest::view` (ingest.h) does the three steps.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/model/label_set.h"
#include "server/store/columns.h"

namespace server {

// Who a run of entries belongs to. Made once per stream, shared by everything that mentions it.
struct Stream {
  std::string tenant;
  pipeline::LabelSet labels;
  std::string text;  // of the labels
  pipeline::StreamId id;
};

// Entries of one stream, in order of arrival: not sorted by time, equal entries may repeat. `owner` keeps the memory
// alive that `entries` looks at (shared with other runs, also of other streams).
struct HeadRun {
  std::shared_ptr<const void> owner;
  EntrySlice entries;
  pipeline::UnixNanos min_time = 0, max_time = 0;  // both ends count
};

struct HeadStream {
  std::shared_ptr<const Stream> stream;
  std::vector<HeadRun> runs;
};

// What one flush will write, or is writing. A stream is at most once in one piece.
struct HeadPiece {
  uint64_t last_frame = 0;  // number of the last WAL frame in it
  std::vector<HeadStream> streams;
};

struct HeadSnapshot {
  std::vector<HeadPiece> pieces;  // oldest first; usually one or two; one stream may be in several

  void drop_flushed(uint64_t last_flushed_frame) {
    std::erase_if(pieces, [&](const HeadPiece& piece) { return piece.last_frame <= last_flushed_frame; });
  }
};

}  // namespace server
