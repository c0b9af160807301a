// The store and the catalogue that the settings name, opened; what a server does first, and the catalogue's commands.
//
// Thread: any, blocks. Errors: what cannot be opened, with what to do about it.
#pragma once

#include <memory>

#include "pipeline/base/clock.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/folder_lock.h"
#include "pipeline/base/metrics.h"
#include "server/catalog/catalog_mark.h"
#include "server/settings.h"

namespace server {

pipeline::Result<pipeline::FolderLock> lock_folder(pipeline::FileSystem& files, const std::string& folder);

pipeline::Result<std::unique_ptr<ObjectStore>> open_store(const StoreSettings& settings, pipeline::FileSystem& files,
                                                          const pipeline::Clock& clock, pipeline::Registry& registry);

// The catalogue; a new one where there is none. A damaged one, or one that is older than `mark` has seen, is refused
// with the command that makes it anew. `mark` outlives it and hears of its changes.
pipeline::Result<std::unique_ptr<Catalog>> open_catalog(const Settings& settings, pipeline::FileSystem& files,
                                                        const pipeline::Clock& clock, CatalogMark& mark);

std::string catalog_mark_path(const Settings& settings);  // catalog/catalog_mark.h

// That the catalogue is the latest of its cluster, and from now on any of before is not (catalog/generation.h).
// kInvalid: it is an older one, put back; what is done about that is said.
pipeline::Result<void> admit_catalog(ObjectStore& store, Catalog& catalog, const Settings& settings);

// The first half of that: nothing is written.
pipeline::Result<void> check_age(ObjectStore& store, Catalog& catalog, const Settings& settings);
// That this machine knows no later one, with what is done about that.
pipeline::Result<void> check_age(const CatalogMark& mark, Catalog& catalog, const Settings& settings);

// Why the store could not be claimed for the catalogue. Where that is because the catalogue is empty and the store is
// not, it names the command that makes the catalogue anew.
pipeline::Error with_remedy(const pipeline::Error& error, const Settings& settings, Catalog& catalog);

}  // namespace server
