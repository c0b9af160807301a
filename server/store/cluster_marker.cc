#include "server/store/cluster_marker.h"

#include "pipeline/base/failpoint.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

const std::string kKey = "cluster.json";
constexpr std::string_view kBegin = R"({"cluster":")", kEnd = "\"}\n";
constexpr uint64_t kSize = kBegin.size() + 26 + kEnd.size();

std::string marker_of(const Ulid& cluster) { return concat(kBegin, cluster.text(), kEnd); }

}  // namespace

Result<Ulid> store_owner(ObjectStore& store, std::string_view place) {
  TRY_LET(uint64_t size, store.size(kKey));
  std::string text;
  if (size == kSize) TRY(store.get_range(kKey, 0, size, text));
  auto cluster = text.size() == kSize ? Ulid::parse(std::string_view(text).substr(kBegin.size(), 26)) : std::nullopt;
  if (cluster && marker_of(*cluster) == text) return *cluster;
  return fail(Errc::kCorrupt, concat("the store ", place, " has an object ", kKey,
                                     " that is not of this program; use another prefix or folder"));
}

Result<void> claim_store(ObjectStore& store, const Ulid& cluster, std::string_view place) {
  auto found = store_owner(store, place);
  if (!found && found.error().code == Errc::kNotFound) {
    TRY(store.remove_unfinished(""));  // of a program that died here
    TRY(pipeline::failpoint("marker.before_put"));
    auto made = store.put(kKey, marker_of(cluster));
    if (!made && made.error().code != Errc::kInvalid) return made;  // kInvalid: another was quicker
    TRY(pipeline::failpoint("marker.after_put"));
    found = store_owner(store, place);
  }
  TRY(found);
  if (*found == cluster) return {};
  return fail(Errc::kInvalid, concat("the store ", place, " belongs to cluster ", found->text(),
                                     ", and this catalogue is that of cluster ", cluster.text(),
                                     "; use another prefix or folder, or bring that cluster's catalogue back"));
}

}  // namespace server
