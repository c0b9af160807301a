// The quarantine: copies of objects that could not be read wholly and had to be rewritten all the same, because of a
// request to delete; those that an earlier run left unfinished and damaged; and notes on those that were lost. Nobody
// reads them but people, and only people delete them: `skidway-server quarantine --delete`.
//
//   <cluster>/quarantine/<ulid>.lseg      the bytes as they were
//   <cluster>/quarantine/<ulid>.missing   there were none any more (missing_objects.h)
//
// Thread: any; blocks. Errors: of the store.
#pragma once

#include <string>
#include <vector>

#include "server/store/object_store.h"

namespace server {

std::string quarantine_folder(const Ulid& cluster);
std::string quarantine_key(const Ulid& cluster, const Ulid& object);

// Copies the object at `key`, piece by piece. A copy that is there already, of a try before, is left as it is.
Result<void> put_in_quarantine(ObjectStore& store, const std::string& key, const std::string& quarantine);

struct QuarantinedObject {
  std::string key;
  uint64_t size = 0;
};
Result<std::vector<QuarantinedObject>> list_quarantine(ObjectStore& store, const Ulid& cluster);

}  // namespace server
