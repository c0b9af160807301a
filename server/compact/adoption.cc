#include "server/compact/adoption.h"

#include <algorithm>

#include "pipeline/base/failpoint.h"
#include "pipeline/base/log.h"
#include "server/store/object_reader.h"

namespace server {

using pipeline::Errc;
using pipeline::fail;
using pipeline::failpoint;

Result<Adoption> adopt_object(ObjectStore& store, Catalog& catalog, const std::string& key, Origin origin) {
  auto object = ObjectReader::open(store, key);
  if (!object) {
    const Errc code = object.error().code;
    if (code == Errc::kNotFound) return Adoption::kAbsent;
    if (code == Errc::kCorrupt) return Adoption::kUnreadable;
    if (code == Errc::kInvalid) return Adoption::kTooNew;
    return fail(object.error());
  }
  const ObjectReader& read = **object;
  const ObjectSummary& summary = read.summary();
  if (read.cluster() != catalog.cluster() || key != object_key(read.cluster(), 0, summary.object))
    return Adoption::kUnreadable;
  TRY_LET(auto requests, catalog.deletes());
  const bool outlived =
      origin == Origin::kUnknown && std::any_of(requests.begin(), requests.end(), [&](const DeleteRequest& request) {
        return request.processed != 0 && request.number > summary.deletes_applied && holds_range_of(summary, request);
      });
  if (outlived) return Adoption::kOutlived;
  TRY(failpoint("adopt.before_commit"));
  const ObjectRow row{key, summary};
  TRY(catalog.commit_l0({&row, 1}, read.producers(), 0));
  TRY(failpoint("adopt.after_commit"));
  pipeline::log_info("an object that the catalogue did not have is in it",
                     {{"object", key}, {"entries", summary.rows}});
  return Adoption::kTaken;
}

}  // namespace server
