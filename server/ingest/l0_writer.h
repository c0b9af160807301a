// L0Writer: a sealed head as one L0 object of all its tenants: sorted, equal entries dropped, not yet in the catalogue,
// which knows that it is coming: what a program leaves behind that dies before commit_l0 is brought in at the next
// start where it is whole (compact/adoption.h), and deleted where it is not.
//
// Thread:  one at a time; blocks on the store.
// Errors:  of the store: whether the object is there is then unknown, and the next try takes another key.
#pragma once

#include <vector>

#include "pipeline/base/clock.h"
#include "pipeline/base/metrics.h"
#include "server/catalog/catalog.h"
#include "server/ingest/head.h"
#include "server/store/object_store.h"
#include "server/store/object_writer.h"

namespace server {

// The batch numbers whose entries it holds.
std::vector<ProducerRange> ranges_of(const SealedHead& head);

class L0Writer {
 public:
  L0Writer(ObjectStore& store, Catalog& catalog, const pipeline::Clock& clock, pipeline::Registry& registry);

  // `frames_through`: frames of the log up to this are in this object or in older ones; 0: not known, or there is no
  // log.
  pipeline::Result<ObjectRow> write(const SealedHead& head, uint64_t frames_through);

 private:
  pipeline::Result<void> write(const SealedHead& head, uint64_t frames_through, ObjectRow& row);
  pipeline::Result<void> write_stream(ObjectWriter& writer, const HeadStream& stream);

  ObjectStore& store_;
  Catalog& catalog_;
  UlidMaker ulids_;
  EntryColumns merged_;  // one stream's entries, while they are sorted
  pipeline::Counter& duplicates_;
};

}  // namespace server
