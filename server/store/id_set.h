// The id set of an object: which ids (id_keys.h) its lines have, told without its directory. One small read says that
// an object does not have an id; where it lies, the substring filter (page_filter.h) says.
//
// A Bloom filter of the keys, directly before the footer; the catalogue knows its length, as section IDS does. All of
// it is one block of at most 16 KiB, or blocks of exactly 16 KiB. Key k is in block k * blocks / 2^32:
//   u32 CRC-32C of the rest | u8 flags (1: a line of the object has a backslash) | u8 probes | u16 0 | bits, lowest
//   first
// of which as many as there are probes are set for it: number i at p * bits / 2^32, where p = low + i * high modulo
// 2^32 of the halves of k * 0xd1342543de82ef95, the high one made odd.
//
// Thread:  IdSetBuilder one; the functions any.
// Memory:  of the builder: 4 to 11 bytes per different key, at most 16 MiB (24 while it grows).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/store/object_directory.h"
#include "server/store/object_store.h"
#include "server/store/page_condition.h"

namespace server {

inline constexpr uint64_t kIdBlockBytes = 16 << 10;
inline constexpr uint64_t kIdBlockHeader = 8;

// Lengths that a set can have.
bool is_id_set_length(uint64_t length);

class IdSetBuilder {
 public:
  // A page's lines back to back, and their lengths.
  void add_page(std::string_view text, std::span<const uint64_t> lengths);
  // The set; at most `most_bytes` of it and never more than it has memory for, otherwise there is none: empty.
  std::string finish(uint64_t most_bytes) const;

 private:
  void add(uint32_t key);

  std::vector<uint32_t> scratch_;
  std::vector<uint32_t> slots_;  // open addressing; 0: free
  size_t count_ = 0;
  bool overflown_ = false, backslash_ = false;
};

// Whether entries for which all conditions hold may be in the object, as far as its id set knows. Reads blocks of it;
// where there is none, or it cannot be read: true.
bool may_have_ids(ObjectStore& store, const std::string& key, const ObjectSummary& object,
                  std::span<const PageCondition> conditions, FilterReads& reads);

}  // namespace server
