// The object store in an S3 bucket (server/store/object_store.h): objects are keys below the prefix.
//
//   one PUT, conditional where the bucket can do that (found out at the start by a probe object), else a HEAD before
//   it; large objects in parts; every read one ranged GET, which its caller has made as wide as is sensible.
#pragma once

#include <memory>

#include "server/s3/s3_client.h"
#include "server/store/object_store.h"

namespace server {

// Asks the bucket: keys, rights and what it can do. Errors name the bucket and the remedy.
Result<std::unique_ptr<ObjectStore>> open_s3_store(S3Options options, S3Doors doors);

}  // namespace server
