// What every ObjectStore does the same way, folder or bucket: the checks that run against each of them. For tests only.
#pragma once

#include "server/store/object_store.h"

namespace server {

// Uses keys below `folder`, which is empty, and leaves it empty. doctest's CHECKs inside.
void check_object_store(ObjectStore& store, const std::string& folder);

// Objects of some MiB, in whatever parts they travel.
void check_large_objects(ObjectStore& store, const std::string& folder, uint64_t bytes);

// `threads` threads write, read, list and remove objects of their own at once.
void check_many_threads(ObjectStore& store, const std::string& folder, int threads);

}  // namespace server
