// VolumeCounter: how large Loki would call entries of one stream: the bytes of their lines, 8 bytes for each pair of
// structured metadata, and each distinct name and value once. What index/volume shows and tools compare.
//
// Thread: one at a time.
// Limits: remembers kMaxTexts distinct texts; further ones count each time they occur.
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "server/store/columns.h"
#include "server/store/distinct_metadata.h"

namespace server {

class VolumeCounter {
 public:
  static constexpr size_t kMaxTexts = 4096;

  void add(const EntrySlice& entries);
  uint64_t bytes() const { return bytes_; }
  void reset();

 private:
  uint64_t add_pairs(MetadataView metadata);  // returns how many
  void add_text(std::string_view text);

  uint64_t bytes_ = 0;
  std::unordered_set<uint64_t> texts_;  // hashes
  DistinctMetadata known_;              // metadata whose texts are all among texts_
  std::vector<uint64_t> pairs_;         // of each of them
};

}  // namespace server
