// Generation: which of two catalogues of one cluster is the later one.
//
// The catalogue counts its generations, and the store keeps the highest that any catalogue of the cluster ever had:
//
//   <cluster>/generations/<number, 20 digits>      written once; the one before stays (a listing may be late), those
//                                                  below are removed after it
//
// It rises at each start before anything else is written, then whenever the catalogue has changed and a while has
// passed, and before dead objects are deleted. So a catalogue that is put back and is older than that is known by its
// number: what was stored since is unknown to it and would be taken for rubbish, and what it believes to be there was
// merged and deleted.
//
// Crash: the catalogue is written first. In between the store is one behind, which says nothing; the other way round a
// sound catalogue would be refused. A number is never used again.
// Upgrade: a store without any is of generation 0, as is a catalogue of a version that knew none.
//
// Thread: any; blocks.
#pragma once

#include <string>
#include <string_view>

#include "server/catalog/catalog.h"
#include "server/store/object_store.h"

namespace server {

// "<cluster>/generations".
std::string generations_folder(const Ulid& cluster);

// The highest that the store has seen; 0: none.
Result<uint64_t> store_generation(ObjectStore& store, const Ulid& cluster);

// kInvalid: the catalogue is older than one that the store has seen; nothing may be written then. `place` names the
// store.
Result<void> check_generation(ObjectStore& store, Catalog& catalog, std::string_view place);

// By one, in the catalogue and in the store. kInvalid: another has that number: somebody works with a copy of this
// catalogue.
Result<void> raise_generation(ObjectStore& store, Catalog& catalog);

// After the check, at the start: raises it, and removes what programs that died left of lower ones.
Result<void> claim_generation(ObjectStore& store, Catalog& catalog);

}  // namespace server
