#include "server/compact/catalog_rebuild.h"

#include <algorithm>
#include <map>
#include <set>

#include "server/catalog/generation.h"
#include "server/compact/delete_keeper.h"
#include "server/store/object_reader.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;

namespace {

constexpr int kLevels[] = {0, 2};

// What is needed of an object after its directory was let go.
struct Found {
  ObjectRow row;
  std::vector<Ulid> inputs;
  Ulid seal;
};
using FoundObjects = std::map<Ulid, Found>;

bool is_whole(const Found& found, const FoundObjects& all) {
  if (found.inputs.empty() || found.seal == Ulid{} || all.contains(found.seal)) return true;
  return std::none_of(found.inputs.begin(), found.inputs.end(), [&](const Ulid& id) { return all.contains(id); });
}

Result<void> read_object(ObjectStore& store, const Ulid& cluster, const std::string& key, FoundObjects& all,
                         Catalog::Content& content, RebuildReport& report) {
  auto object = ObjectReader::open(store, key);
  if (!object) {
    const Errc code = object.error().code;
    if (code == Errc::kUnavailable || code == Errc::kIo || code == Errc::kCancelled) return fail(object.error());
    report.unreadable.push_back(concat(key, ": ", object.error().message));
    return {};
  }
  const ObjectReader& read = **object;
  if (read.cluster() != cluster) {
    report.unreadable.push_back(concat(key, ": belongs to cluster ", read.cluster().text()));
    return {};
  }
  content.flushed_frame = std::max(content.flushed_frame, read.last_frame());
  content.batches.insert(content.batches.end(), read.producers().begin(), read.producers().end());
  all[read.summary().object] = {{key, read.summary()}, read.inputs(), read.seal()};
  return {};
}

}  // namespace

Result<Catalog::Content> read_catalog_content(ObjectStore& store, const Ulid& cluster, RebuildReport& report) {
  Catalog::Content content;
  content.cluster = cluster;
  FoundObjects all;
  for (int level : kLevels) {
    TRY_LET(auto keys, store.list(object_folder(cluster, level)));
    for (const std::string& key : keys) {
      if (!key.ends_with(".lseg")) continue;
      ++report.found;
      TRY(read_object(store, cluster, key, all, content, report));
    }
  }
  std::set<Ulid> superseded;
  for (const auto& [id, found] : all) {
    if (is_whole(found, all)) superseded.insert(found.inputs.begin(), found.inputs.end());
  }
  for (auto& [id, found] : all) {
    if (superseded.contains(id)) {
      ++report.superseded;
      report.gone.push_back(found.row);
    } else if (!is_whole(found, all)) {
      ++report.unfinished;
      report.gone.push_back(found.row);
    } else {
      content.objects.push_back(found.row);
    }
  }
  TRY_LET(content.generation, store_generation(store, cluster));
  TRY_LET(KeptDeletes deletes, read_kept_deletes(store, cluster));
  content.deletes = std::move(deletes.requests);
  content.last_delete = deletes.last_number;
  for (const ObjectRow& row : content.objects)
    content.last_delete = std::max(content.last_delete, row.summary.deletes_applied);
  return content;
}

}  // namespace server
