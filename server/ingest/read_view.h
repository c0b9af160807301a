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

struct ReadView {
  HeadSnapshot head;                               // streams of the tenant only
  std::shared_ptr<const CatalogSnapshot> objects;  // objects of every tenant
};

// Thread: any, but a worker: may read the catalogue from disk. In the server: Ingest::view.
using ReadViewSource = std::function<pipeline::Result<ReadView>(std::string_view tenant)>;

}  // namespace server
