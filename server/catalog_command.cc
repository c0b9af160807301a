#include "server/catalog_command.h"

#include <cstdio>

#include "pipeline/base/concat.h"
#include "pipeline/base/failpoint.h"
#include "pipeline/base/time_format.h"
#include "pipeline/db/database.h"
#include "server/catalog/generation.h"
#include "server/compact/catalog_rebuild.h"
#include "server/compact/quarantine.h"
#include "server/open_store.h"
#include "server/store/cluster_marker.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;
using pipeline::Result;

namespace {

// What both commands work with.
struct Doors {
  pipeline::SystemClock clock;
  std::unique_ptr<pipeline::FileSystem> files = pipeline::system_files();
  pipeline::Registry registry;
  std::unique_ptr<ObjectStore> store;
};

int failed(const pipeline::Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

// Every page is sound, and the tables are ours.
Result<std::unique_ptr<Catalog>> open_sound(const std::string& path, const pipeline::Clock& clock) {
  {
    pipeline::DatabaseOptions options;
    options.create = false;
    TRY_LET(auto db, pipeline::Database::open(path, options));
    TRY(db.check());
  }
  return open_sqlite_catalog({path}, clock);
}

// Out of the way of a new one.
Result<void> make_room(const Settings& settings, const Ulid& cluster, bool force, Doors& doors) {
  const std::string& path = settings.catalog_file;
  if (!doors.files->open_to_read(path)) return {};
  auto catalog = open_sound(path, doors.clock);
  if (!catalog && catalog.error().code != Errc::kCorrupt) return fail(catalog.error());
  if (catalog) {
    TRY_LET(bool empty, (*catalog)->is_empty());
    TRY_LET(uint64_t generation, (*catalog)->generation());
    TRY_LET(uint64_t seen, store_generation(*doors.store, cluster));
    const auto checked = check_mark(CatalogMark(*doors.files, catalog_mark_path(settings)), **catalog);
    if (!checked && checked.error().code != Errc::kInvalid) return fail(checked.error());
    // Put back from a copy.
    const bool is_old = (*catalog)->cluster() == cluster && (generation < seen || !checked);
    if (!empty && !is_old && !force)
      return fail(Errc::kInvalid, concat("the catalogue ", path, " is sound; it is left alone. --force makes it anew"));
    catalog = fail(Errc::kCancelled, "closed");
  }
  const std::string suffix = concat(".before-", pipeline::format_rfc3339(doors.clock.wall()));
  for (const char* part : {"", "-wal", "-shm"}) {
    if (!doors.files->open_to_read(concat(path, part))) continue;
    TRY(doors.files->rename(concat(path, part), concat(path, suffix, part)));
  }
  std::printf("moved %s to %s%s\n", path.c_str(), path.c_str(), suffix.c_str());
  return {};
}

Result<RebuildReport> rebuild(const Settings& settings, bool force, Doors& doors) {
  TRY_LET(doors.store, open_store(settings.store, *doors.files, doors.clock, doors.registry));
  auto cluster = store_owner(*doors.store, settings.store.place());
  if (!cluster && cluster.error().code == Errc::kNotFound)
    return fail(Errc::kNotFound, concat("the store ", settings.store.place(), " holds nothing of this program"));
  TRY(cluster);
  RebuildReport report;
  TRY_LET(auto content, read_catalog_content(*doors.store, *cluster, report));
  TRY(failpoint("rebuild.read"));
  const std::string unfinished = concat(settings.catalog_file, ".unfinished");
  for (const char* part : {"", "-wal", "-shm"}) {
    auto removed = doors.files->remove(concat(unfinished, part));  // of a rebuild that was cut off
    if (!removed && removed.error().code != Errc::kNotFound) return fail(removed.error());
  }
  {
    TRY_LET(auto catalog, open_sqlite_catalog({unfinished}, doors.clock));
    TRY(catalog->restore(content));
    TRY(failpoint("rebuild.restored"));
    TRY(catalog->commit_l0(report.gone, {}, 0));
    std::vector<Ulid> gone;
    for (const ObjectRow& row : report.gone) gone.push_back(row.summary.object);
    if (!gone.empty()) TRY(catalog->swap(gone, {}));
  }
  TRY(failpoint("rebuild.before_room"));
  TRY(make_room(settings, *cluster, force, doors));
  TRY(failpoint("rebuild.has_room"));
  TRY(CatalogMark(*doors.files, catalog_mark_path(settings)).remove());
  TRY(doors.files->rename(unfinished, settings.catalog_file));
  TRY(failpoint("rebuild.renamed"));
  uint64_t entries = 0;
  for (const ObjectRow& row : content.objects) entries += row.summary.rows;
  std::printf(
      "cluster %s: %llu objects found, %zu visible with %llu entries, %llu merged into others, %llu of "
      "unfinished merges, %zu requests to delete\n",
      cluster->text().c_str(), static_cast<unsigned long long>(report.found), content.objects.size(),
      static_cast<unsigned long long>(entries), static_cast<unsigned long long>(report.superseded),
      static_cast<unsigned long long>(report.unfinished), content.deletes.size());
  return report;
}

// How many objects are missing or cut.
Result<uint64_t> count_missing(const Settings& settings, Doors& doors) {
  TRY_LET(doors.store, open_store(settings.store, *doors.files, doors.clock, doors.registry));
  TRY_LET(auto catalog, open_sound(settings.catalog_file, doors.clock));
  TRY(claim_store(*doors.store, catalog->cluster(), settings.store.place()));
  TRY(check_age(CatalogMark(*doors.files, catalog_mark_path(settings)), *catalog, settings));
  TRY(check_age(*doors.store, *catalog, settings));
  TRY_LET(auto snapshot, catalog->snapshot());
  uint64_t missing = 0;
  for (const ObjectRow& row : snapshot->objects) {
    auto size = doors.store->size(row.key);
    if (size && *size == row.summary.size) continue;
    if (!size && size.error().code != Errc::kNotFound) return fail(size.error());
    ++missing;
    std::fprintf(stderr, "%s: %s\n", row.key.c_str(), size ? "has another size" : "is not there");
  }
  std::printf("%s: sound, %zu visible objects, %llu missing\n", settings.catalog_file.c_str(), snapshot->objects.size(),
              static_cast<unsigned long long>(missing));
  return missing;
}

Result<void> go_through_quarantine(const Settings& settings, bool remove, Doors& doors) {
  TRY_LET(doors.store, open_store(settings.store, *doors.files, doors.clock, doors.registry));
  TRY_LET(Ulid cluster, store_owner(*doors.store, settings.store.place()));
  TRY_LET(auto objects, list_quarantine(*doors.store, cluster));
  uint64_t bytes = 0;
  for (const QuarantinedObject& object : objects) {
    if (remove) TRY(doors.store->remove(object.key));
    std::printf("%s%s %llu bytes\n", remove ? "deleted " : "", object.key.c_str(),
                static_cast<unsigned long long>(object.size));
    bytes += object.size;
  }
  std::printf("%zu objects, %llu bytes%s\n", objects.size(), static_cast<unsigned long long>(bytes),
              objects.empty() || remove ? "" : "; --delete deletes them");
  return {};
}

}  // namespace

int show_quarantine(const Settings& settings, bool remove) {
  Doors doors;
  auto shown = go_through_quarantine(settings, remove, doors);
  return shown ? 0 : failed(shown.error());
}

int rebuild_catalog(const Settings& settings, bool force) {
  Doors doors;
  auto lock = lock_folder(*doors.files, settings.data_dir);
  if (!lock) return failed(lock.error());
  auto report = rebuild(settings, force, doors);
  if (!report) return failed(report.error());
  for (const std::string& object : report->unreadable) std::fprintf(stderr, "left out: %s\n", object.c_str());
  return report->unreadable.empty() ? 0 : 1;
}

int check_catalog(const Settings& settings) {
  Doors doors;
  auto lock = lock_folder(*doors.files, settings.data_dir);
  if (!lock) return failed(lock.error());
  auto missing = count_missing(settings, doors);
  if (!missing) return failed(missing.error());
  return *missing == 0 ? 0 : 1;
}

}  // namespace server
