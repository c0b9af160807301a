// VolumeCounter: how large Loki would call entries of one stream: the bytes of their lines, 8 bytes for each pair of
// structured metadata, and each distinct name and value once. What index/volume shows and tools compare.
//
// Thread: one at a time.
// Limits: remembers kMaxTexts distinct texts; further ones count each time they occur.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "server/store/columns.h"

namespace server {

class VolumeCounter {
 public:
  static constexpr size_t kMaxTexts = 4096;

  void add(const EntrySlice& entries);
  uint64_t bytes() const { return bytes_; }
  void reset();

 private:
  void add_text(std::string_view text);

  uint64_t bytes_ = 0;
  std::unordered_set<uint64_t> texts_;  // hashes
  std::string last_;                    // metadata of the entry before: often the same again
  uint64_t last_pairs_ = 0;
};

}  // namespace server
