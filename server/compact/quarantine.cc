#include "server/compact/quarantine.h"

#include <algorithm>

#include "pipeline/base/concat.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {
constexpr uint64_t kPieceBytes = 4 << 20;
}  // namespace

std::string quarantine_folder(const Ulid& cluster) { return concat(cluster.text(), "/quarantine"); }

std::string quarantine_key(const Ulid& cluster, const Ulid& object) {
  return concat(quarantine_folder(cluster), "/", object.text(), ".lseg");
}

Result<void> put_in_quarantine(ObjectStore& store, const std::string& key, const std::string& quarantine) {
  TRY_LET(const uint64_t size, store.size(key));
  auto there = store.size(quarantine);
  if (there) return {};
  if (there.error().code != Errc::kNotFound) return fail(there.error());
  TRY_LET(auto upload, store.create(quarantine));
  std::string piece;
  for (uint64_t at = 0; at < size; at += piece.size()) {
    TRY(store.get_range(key, at, std::min(kPieceBytes, size - at), piece));
    TRY(upload->append(piece));
  }
  auto outcome = upload->commit();
  if (!outcome && outcome.error().code == Errc::kInvalid) return {};  // an earlier try whose answer was lost
  return outcome;
}

Result<std::vector<QuarantinedObject>> list_quarantine(ObjectStore& store, const Ulid& cluster) {
  TRY_LET(auto keys, store.list(quarantine_folder(cluster)));
  std::vector<QuarantinedObject> out;
  for (std::string& key : keys) {
    auto size = store.size(key);
    if (!size && size.error().code == Errc::kNotFound) continue;  // deleted just now
    TRY(size);
    out.push_back({std::move(key), *size});
  }
  return out;
}

}  // namespace server
