#include "agent/stream/parcel.h"

namespace agent {

using pipeline::LabelSet;
using pipeline::Metadata;
using pipeline::UnixNanos;

size_t Parcel::add_labels(LabelSet labels) {
  label_sets_.push_back(std::move(labels));
  return label_sets_.size() - 1;
}

void Parcel::add(size_t labels, UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
  entries_.push_back({labels, time, arena_.copy(line), metadata_.size(), metadata.size()});
  line_bytes_ += line.size();
  for (const Metadata& m : metadata) metadata_.push_back({arena_.copy(m.name), arena_.copy(m.value)});
}

void Parcel::add_kept(size_t labels, UnixNanos time, std::string_view line, std::span<const Metadata> metadata) {
  entries_.push_back({labels, time, line, metadata_.size(), metadata.size()});
  line_bytes_ += line.size();
  metadata_.insert(metadata_.end(), metadata.begin(), metadata.end());
}

void Parcel::keep(std::shared_ptr<const void> owner, size_t bytes) {
  kept_.push_back(std::move(owner));
  kept_bytes_ += bytes;
}

size_t Parcel::bytes() const {
  return arena_.capacity_bytes() + kept_bytes_ + entries_.capacity() * sizeof(Entry) +
         metadata_.capacity() * sizeof(Metadata) + label_sets_.size() * 256;
}

}  // namespace agent
