// Stream: who a run of entries belongs to. Made once per stream, shared by everything that mentions it, and small,
// because there may be a million: its labels lie in one piece of memory and are taken apart by whoever asks.
//
// Thread: any (immutable).
#pragma once

#include <compare>
#include <memory>
#include <string>
#include <string_view>

#include "pipeline/model/label_set.h"
#include "server/store/columns.h"

namespace server {

class Stream {
 public:
  static std::shared_ptr<const Stream> make(std::string_view tenant, const pipeline::LabelSet& labels);

  std::string_view tenant() const { return {bytes_.get(), tenant_bytes_}; }
  MetadataView label_views() const { return MetadataView({bytes_.get() + tenant_bytes_, label_bytes_}); }
  pipeline::LabelSet labels() const;                        // made anew by each call, as the next
  std::string text() const { return labels().text(); }      // of the labels
  std::strong_ordering operator<=>(const Stream& o) const;  // as LabelSet's; of one tenant's
  bool operator==(const Stream& o) const { return id == o.id; }
  size_t memory_bytes() const;  // what it takes, nearly

  const pipeline::StreamId id;

 private:
  struct Private {};

 public:
  Stream(Private, std::string_view tenant, const pipeline::LabelSet& labels);  // make()'s

 private:
  std::unique_ptr<char[]> bytes_;  // of the tenant, then of the labels
  uint32_t tenant_bytes_ = 0, label_bytes_ = 0;
};

}  // namespace server
