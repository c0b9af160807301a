// Grams: what the substring filter knows of a page's text. A gram is 4 neighbouring bytes, or 6 where the first 4 are
// digits (all 10,000 groups of 4 digits stand on every page that has numbers); A-Z count as a-z. Whether a place begins
// a gram of 4 or of 6 depends on the bytes at that place alone, so a text and a needle inside of it always agree.
//
// A gram's bucket is one of 2^18. GramSet says which buckets occur on a page; fold() maps them onto fewer rows: bucket
// b on row b * rows / 2^18.
//
// Thread:  one at a time; the functions any.
// Cost:    0.6 to 0.9 ns per byte (gram_marks.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace server {

inline constexpr unsigned kGramBucketBits = 18;
inline constexpr uint32_t kGramBuckets = 1U << kGramBucketBits;

// The buckets of a needle's grams, sorted, each once. Empty: the needle is too short, or has too few digits, to be
// looked for in a filter.
std::vector<uint32_t> gram_buckets(std::string_view needle);

// The buckets of a name with a value in structured metadata (exact), and of a name with any value.
inline constexpr size_t kMetadataProbes = 5;
std::vector<uint32_t> metadata_buckets(std::string_view name, std::string_view value);

// Of how many rows a filter of a page with `set` buckets is made, so that at most half of them are set.
uint32_t filter_rows(size_t set);
// Numbers that filter_rows() answers. Those below kMostStripes are powers of two, the others multiples of it.
bool is_filter_rows(uint32_t rows);
inline constexpr uint32_t kMostStripes = 2048;

inline uint32_t filter_row(uint32_t bucket, uint32_t rows) {
  return static_cast<uint32_t>((uint64_t{bucket} * rows) >> kGramBucketBits);
}

class GramSet {
 public:
  GramSet() : words_(kGramBuckets / 64) {}

  void add_text(std::string_view text);
  void add_metadata(std::string_view name, std::string_view value);
  void clear();

  size_t count() const;  // buckets set
  // One bit per row of `rows`.
  std::vector<uint64_t> fold(uint32_t rows) const;

 private:
  void set(uint32_t bucket) { words_[bucket >> 6] |= uint64_t{1} << (bucket & 63); }

  std::vector<uint64_t> words_;
};

}  // namespace server
