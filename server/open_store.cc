#include "server/open_store.h"

#include <filesystem>

#include "pipeline/base/concat.h"
#include "server/catalog/generation.h"
#include "server/s3/s3_store.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::FileSystem;
using pipeline::Result;

namespace {

std::string rebuild_command(const Settings& settings) {
  return concat("`skidway-server catalog rebuild",
                settings.config_file.empty() ? std::string() : concat(" --config ", settings.config_file), "`");
}

Result<void> with_remedy_for_age(Result<void> checked, const Settings& settings) {
  if (checked || checked.error().code != Errc::kInvalid) return checked;
  return fail(Errc::kInvalid, concat("the catalogue ", settings.catalog_file, " was put back from an older copy; ",
                                     rebuild_command(settings),
                                     " makes it anew from the store, with all that was stored since (or bring the "
                                     "latest one back): ",
                                     checked.error().message));
}

}  // namespace

Result<pipeline::FolderLock> lock_folder(FileSystem& files, const std::string& folder) {
  TRY(files.make_folders(folder));
  auto lock = pipeline::FolderLock::acquire(folder);
  if (!lock) return fail(lock.error().within(concat("lock ", folder, "/LOCK")));
  return lock;
}

Result<std::unique_ptr<ObjectStore>> open_store(const StoreSettings& settings, FileSystem& files,
                                                const pipeline::Clock& clock, pipeline::Registry& registry) {
  if (settings.s3) return open_s3_store(*settings.s3, {files, clock, registry, system_environment()});
  TRY(files.make_folders(settings.folder));
  return open_local_store(files, settings.folder);
}

Result<std::unique_ptr<Catalog>> open_catalog(const Settings& settings, FileSystem& files, const pipeline::Clock& clock,
                                              CatalogMark& mark) {
  const std::string& path = settings.catalog_file;
  const std::string folder = std::filesystem::path(path).parent_path().string();
  if (!folder.empty()) TRY(files.make_folders(folder));
  CatalogOptions options;
  options.path = path;
  options.changed = [&mark](const CatalogAge& age) { mark.keep(age); };
  auto catalog = open_sqlite_catalog(std::move(options), clock);
  if (!catalog && catalog.error().code == Errc::kCorrupt) {
    return fail(Errc::kCorrupt, concat("the catalogue is damaged: ", catalog.error().message, "; ",
                                       rebuild_command(settings), " makes it anew from the store"));
  }
  TRY(catalog);
  TRY(check_age(mark, **catalog, settings));
  return catalog;
}

std::string catalog_mark_path(const Settings& settings) { return concat(settings.data_dir, "/catalog.mark"); }

Result<void> check_age(ObjectStore& store, Catalog& catalog, const Settings& settings) {
  return with_remedy_for_age(check_generation(store, catalog, settings.store.place()), settings);
}

Result<void> check_age(const CatalogMark& mark, Catalog& catalog, const Settings& settings) {
  return with_remedy_for_age(check_mark(mark, catalog), settings);
}

Result<void> admit_catalog(ObjectStore& store, Catalog& catalog, const Settings& settings) {
  TRY(check_age(store, catalog, settings));
  return claim_generation(store, catalog);
}

pipeline::Error with_remedy(const pipeline::Error& error, const Settings& settings, Catalog& catalog) {
  if (error.code != Errc::kInvalid) return error;
  auto empty = catalog.is_empty();
  if (!empty || !*empty) return error;
  return {Errc::kInvalid, concat("the catalogue ", settings.catalog_file, " is empty, but the store ",
                                 settings.store.place(), " is not; ", rebuild_command(settings),
                                 " makes it anew from the store (or name another store): ", error.message)};
}

}  // namespace server
