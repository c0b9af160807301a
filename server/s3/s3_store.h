// The object store in an S3 bucket (server/store/object_store.h): objects are keys below the prefix.
//
//   one PUT, conditional where the bucket can do that (found out at the start by a probe object), else a HEAD before
//   it; large objects in parts; every read one ranged GET, which its caller has made as wide as is sensible.
#pragma once

#include <functional>
#include <memory>

#include "server/s3/s3_client.h"
#include "server/store/object_store.h"

namespace server {

// A store that has not asked its bucket yet. `prepare` does, and must have succeeded before the store is used: keys,
// rights and what the bucket can do; it may be repeated. Its errors name the bucket and the remedy.
struct UnaskedS3Store {
  std::unique_ptr<ObjectStore> store;
  std::function<Result<void>()> prepare;  // `store` outlives it
};
Result<UnaskedS3Store> make_s3_store(S3Options options, S3Doors doors);  // kInvalid: endpoint or certificates

// Both.
Result<std::unique_ptr<ObjectStore>> open_s3_store(S3Options options, S3Doors doors);

}  // namespace server
