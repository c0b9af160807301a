// ReadView: everything one tenant's query may see at one moment: each acknowledged entry exactly once (equal entries of
// different pushes may still repeat; queries drop those).
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "pipeline/base/result.h"
#include "server/catalog/catalog.h"
#include "server/ingest/head_snapshot.h"

namespace server {

class TenantErasures;

struct ReadView {
  HeadSnapshot head;                                    // streams of the tenant only
  std::shared_ptr<const CatalogSnapshot> objects;       // objects of every tenant
  std::string incomplete = {};                          // what the answer lacks, for a warning; empty: nothing
  std::shared_ptr<const TenantErasures> erasures = {};  // what of these exists no more (server/erase); null: all does

  // What the tenant pushed in WAL frames up to this number is visible, and nothing of a later one.
  uint64_t last_frame() const { return head.pieces.empty() ? objects->flushed_frame : head.pieces.back().last_frame; }
};

// Thread: any, but a worker: may read the catalogue from disk. In the server: Ingest::view.
using ReadViewSource = std::function<pipeline::Result<ReadView>(std::string_view tenant)>;

}  // namespace server
