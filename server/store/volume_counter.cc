#include "server/store/volume_counter.h"

#include "pipeline/base/hash.h"

namespace server {

namespace {
constexpr uint64_t kPairBytes = 8;
}  // namespace

void VolumeCounter::reset() {
  bytes_ = 0;
  known_.clear();
  pairs_.clear();
  if (!texts_.empty()) texts_.clear();
}

void VolumeCounter::add_text(std::string_view text) {
  const uint64_t hash = pipeline::hash64(text, 0);
  if (texts_.contains(hash)) return;
  bytes_ += text.size();
  if (texts_.size() < kMaxTexts) texts_.insert(hash);
}

uint64_t VolumeCounter::add_pairs(MetadataView metadata) {
  uint64_t pairs = 0;
  for (const auto& [name, value] : metadata) {
    ++pairs;
    add_text(name);
    add_text(value);
  }
  return pairs;
}

void VolumeCounter::add(const EntrySlice& entries) {
  bytes_ += entries.line_bytes();
  if (!entries.has_metadata()) return;
  for (size_t i = 0; i < entries.size(); ++i) {
    const MetadataView metadata = entries.metadata(i);
    const uint32_t number = texts_.size() < kMaxTexts ? known_.number_of(metadata.encoded()) : DistinctMetadata::kNone;
    if (number < pairs_.size()) {
      bytes_ += pairs_[number] * kPairBytes;
      continue;
    }
    const uint64_t pairs = add_pairs(metadata);
    if (number != DistinctMetadata::kNone) pairs_.push_back(pairs);
    bytes_ += pairs * kPairBytes;
  }
}

}  // namespace server
