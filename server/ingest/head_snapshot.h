// HeadSnapshot: the entries that are acknowledged and in no object yet, as a query sees them.
//
// Life:    taken once at the start of a query and kept as long as it runs; what it points to never changes and stays
//          alive with it, also when the entries are flushed meanwhile.
// Thread:  any.
// Cost:    64 bytes are copied for each stream with one run of what grows, nothing of what is being flushed; no entry
// is.
//
// Consistency with the catalogue: take the head's snapshot FIRST, then the catalogue's, then call `drop_flushed` with
// CatalogSnapshot::flushed_frame (written in the transaction that made the object visible). An entry is then in exactly
// one of the two. `Ingest::view` (ingest.h) does the three steps.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "server/ingest/head_streams.h"

namespace server {

// What one flush will write, or is writing. A stream is at most once in one piece.
struct HeadPiece {
  uint64_t last_frame = 0;                     // number of the last WAL frame in it
  std::shared_ptr<const HeadStreams> streams;  // never null
};

struct HeadSnapshot {
  std::vector<HeadPiece> pieces;  // oldest first; usually one or two; one stream may be in several

  void drop_flushed(uint64_t last_flushed_frame) {
    std::erase_if(pieces, [&](const HeadPiece& piece) { return piece.last_frame <= last_flushed_frame; });
  }
};

}  // namespace server
