#include "server/store/volume_counter.h"

#include "pipeline/base/hash.h"

namespace server {

namespace {
constexpr uint64_t kPairBytes = 8;
}  // namespace

void VolumeCounter::reset() {
  bytes_ = last_pairs_ = 0;
  last_.clear();
  if (!texts_.empty()) texts_.clear();
}

void VolumeCounter::add_text(std::string_view text) {
  const uint64_t hash = pipeline::hash64(text, 0);
  if (texts_.contains(hash)) return;
  bytes_ += text.size();
  if (texts_.size() < kMaxTexts) texts_.insert(hash);
}

void VolumeCounter::add(const EntrySlice& entries) {
  bytes_ += entries.line_bytes();
  if (!entries.has_metadata()) return;
  for (size_t i = 0; i < entries.size(); ++i) {
    const MetadataView metadata = entries.metadata(i);
    if (metadata.encoded() != last_) {
      last_ = metadata.encoded();
      last_pairs_ = 0;
      for (const auto& [name, value] : metadata) {
        ++last_pairs_;
        add_text(name);
        add_text(value);
      }
    }
    bytes_ += last_pairs_ * kPairBytes;
  }
}

}  // namespace server
