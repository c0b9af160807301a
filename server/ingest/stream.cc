#include "server/ingest/stream.h"

#include <cstring>

namespace server {

using pipeline::LabelSet;

namespace {
constexpr size_t kBesideBytes = 48;  // counts of the shared pointer, and what the allocator takes for two pieces
}  // namespace

std::shared_ptr<const Stream> Stream::make(std::string_view tenant, const LabelSet& labels) {
  return std::make_shared<const Stream>(Private{}, tenant, labels);
}

Stream::Stream(Private, std::string_view tenant, const LabelSet& labels) : id(pipeline::stream_id(tenant, labels)) {
  std::vector<MetadataPair> pairs;
  pairs.reserve(labels.labels().size());
  for (const auto& [name, value] : labels.labels()) pairs.emplace_back(name, value);
  std::string encoded(tenant);
  append_metadata(encoded, pairs);
  bytes_.reset(new char[encoded.size()]);
  std::memcpy(bytes_.get(), encoded.data(), encoded.size());
  tenant_bytes_ = static_cast<uint32_t>(tenant.size());
  label_bytes_ = static_cast<uint32_t>(encoded.size() - tenant.size());
}

LabelSet Stream::labels() const {
  std::vector<pipeline::Label> labels;
  labels.reserve(8);
  for (const auto& [name, value] : label_views()) labels.emplace_back(name, value);
  return LabelSet::from(std::move(labels));
}

std::strong_ordering Stream::operator<=>(const Stream& o) const {
  const MetadataView a = label_views(), b = o.label_views();
  auto left = a.begin(), right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    if (auto order = *left <=> *right; order != 0) return order;
  }
  return (left != a.end()) <=> (right != b.end());
}

size_t Stream::memory_bytes() const { return sizeof *this + kBesideBytes + tenant_bytes_ + label_bytes_; }

}  // namespace server
