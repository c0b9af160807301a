// The object "cluster.json" at the top of a store names the cluster (the catalogue's id) that everything there belongs
// to: {"cluster":"01JD..."} and a newline. Made once; two catalogues never share a folder or a bucket's prefix.
//
// Thread: any, blocks.
#pragma once

#include <string_view>

#include "server/store/object_store.h"

namespace server {

// kInvalid: the store belongs to another cluster; `place` names the store. kCorrupt: the object is not ours.
Result<void> claim_store(ObjectStore& store, const Ulid& cluster, std::string_view place);

// The cluster that the store names. kNotFound: none yet. kCorrupt: the object is not ours.
Result<Ulid> store_owner(ObjectStore& store, std::string_view place);

}  // namespace server
