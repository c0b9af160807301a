// The quarantine: copies of objects that could not be read wholly and had to be rewritten all the same, because of a
// request to delete. Nobody reads them but people; they are never deleted by this program.
//
//   <cluster>/quarantine/<ulid>.lseg      the bytes as they were
//
// Thread: any; blocks. Errors: of the store.
#pragma once

#include <string>

#include "server/store/object_store.h"

namespace server {

std::string quarantine_folder(const Ulid& cluster);
std::string quarantine_key(const Ulid& cluster, const Ulid& object);

// Copies the object at `key`, piece by piece. A copy that is there already, of a try before, is left as it is.
Result<void> put_in_quarantine(ObjectStore& store, const std::string& key, const std::string& quarantine);

}  // namespace server
