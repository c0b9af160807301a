// The substring filter of an object: which grams (gram_set.h) the lines, and which values the metadata, of each page
// have, so that a needle is looked for only on pages that may hold it. Bit-sliced: a needle reads some rows that tell
// of all pages at once, not a filter per page.
//
//   part      up to kFilterPartPages pages, in order; has two grids: of lines and of metadata
//   grid      for each size in turn: a matrix of `rows` rows (gram_set.h's rows) and one column for each page of that
//             size; cut into stripes, so that the rows of one range of buckets lie together, of all sizes
//   stripe    size by size: its rows / stripes rows, one bit for each column, back to back without gaps, lowest bit
//             first; then zero bits up to a whole byte; then u32 CRC-32C of the stripe
//
// Grids lie between row groups; section FILTER of the footer says where:
//   varint parts | for each: varint pages | pages x u8 flags (1: a line has a backslash) | grid of lines | of metadata
//   a grid: varint sizes (0: there is none) | varint logarithm of the stripes | varint offset | for each size, rising:
//           varint rows | pages x u8 number of its size + 1 (0: the page has nothing of that kind)
//
// Thread:  FilterBuilder one.
// Memory:  of the builder: the filters of one part, about 10 KiB per page, at most 8 MiB and as much metadata has.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "server/store/gram_set.h"

namespace server {

using pipeline::Result;

inline constexpr size_t kFilterPartPages = 512;  // bounds what a writer holds; a needle reads about 2 ranges per part

struct FilterGrid {
  struct Size {
    uint32_t rows = 0;
    uint32_t columns = 0;
    uint64_t first_bit = 0;  // of its rows in a stripe
  };
  static constexpr uint8_t kNoSize = 0xff;

  std::vector<Size> sizes;          // rising; empty: no page has anything of this kind
  uint32_t stripes = 1;             // a power of two
  uint64_t offset = 0;              // in the object
  std::vector<uint8_t> size_of;     // by page of the part: index in `sizes`, or kNoSize
  std::vector<uint32_t> column_of;  // by page of the part
  uint64_t stripe_bytes = 0;        // with the checksum
  uint64_t length() const { return stripe_bytes * stripes; }
  uint32_t stripe_of(uint32_t bucket) const { return filter_row(bucket, stripes); }

  // Sets columns, first bits and stripe_bytes from the rest.
  void arrange();
};

struct FilterPart {
  static constexpr uint8_t kBackslash = 1;
  uint32_t first_page = 0;
  std::vector<uint8_t> flags;  // by page
  FilterGrid lines, metadata;
  uint32_t pages() const { return static_cast<uint32_t>(flags.size()); }
};

std::string encode_filter(std::span<const FilterPart> parts);
// For an object of `pages` pages whose footer begins at `end`. False: malformed.
bool decode_filter(std::string_view raw, size_t pages, uint64_t end, std::vector<FilterPart>& parts);

class FilterBuilder {
 public:
  using Write = std::function<Result<void>(std::string_view bytes)>;

  // `metadata_offsets` and `metadata` as in EntrySlice; may be empty.
  void add_page(std::string_view text, std::span<const uint32_t> metadata_offsets, std::string_view metadata);
  bool part_is_full() const { return lines_.size() >= kFilterPartPages; }
  // Writes the grids of the pages added since the last part; they will begin at `offset`.
  Result<void> finish_part(uint64_t offset, const Write& write);
  const std::vector<FilterPart>& parts() const { return parts_; }

 private:
  // The filter of one page; no rows: nothing of that kind.
  struct Bits {
    uint32_t rows = 0;
    std::vector<uint64_t> words;
  };
  static FilterGrid plan(const std::vector<Bits>& pages, uint64_t offset);
  static Result<void> write_grid(const FilterGrid& grid, const std::vector<Bits>& pages, const Write& write);
  Bits take_bits();
  void add_metadata(std::span<const uint32_t> offsets, std::string_view metadata);

  GramSet grams_;
  std::vector<Bits> lines_, metadata_;  // of the part being filled
  std::vector<uint8_t> flags_;
  std::vector<FilterPart> parts_;
};

}  // namespace server
