#include "server/store/gram_set.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "pipeline/base/hash.h"
#include "server/store/gram.h"
#include "server/store/gram_marks.h"

namespace server {

namespace {

constexpr uint32_t kFewestRows = 64, kMostRows = 1 << 17;
constexpr double kMostLoad = 0.5;

}  // namespace

std::vector<uint32_t> gram_buckets(std::string_view needle) {
  std::vector<char> folded(needle.size());
  std::transform(needle.begin(), needle.end(), folded.begin(), gram_lower);
  std::vector<uint32_t> out;
  each_gram(folded.data(), folded.size(), 0, [&](uint32_t bucket) { out.push_back(bucket); });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<uint32_t> metadata_buckets(std::string_view name, std::string_view value) {
  const uint64_t hash = pipeline::hash64(value, pipeline::hash64(name));
  const uint64_t step = (hash >> 32) * kGramMultiplier | 1;
  std::vector<uint32_t> out(kMetadataProbes);
  for (size_t i = 0; i < kMetadataProbes; ++i) out[i] = gram_bucket(hash + i * step);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

uint32_t filter_rows(size_t set) {
  // Buckets hit several times count once: so many different grams there were.
  const double buckets = kGramBuckets;
  const double grams = -buckets * std::log1p(-std::min(static_cast<double>(set) / buckets, 0.999));
  const double wanted = grams / -std::log1p(-kMostLoad);
  uint32_t rows = kFewestRows;
  while (rows < kMostRows && rows < wanted) {
    if (rows > kMostStripes && rows + rows / 2 >= wanted) return rows + rows / 2;
    rows *= 2;
  }
  return rows;
}

bool is_filter_rows(uint32_t rows) {
  if (rows < kFewestRows || rows > kMostRows) return false;
  return std::has_single_bit(rows) || (rows % 3 == 0 && std::has_single_bit(rows / 3) && rows / 3 >= kMostStripes);
}

void GramSet::add_text(std::string_view text) { mark_grams(text, words_.data()); }

void GramSet::add_metadata(std::string_view name, std::string_view value) {
  for (uint32_t bucket : metadata_buckets(name, value)) set(bucket);
}

void GramSet::clear() { std::fill(words_.begin(), words_.end(), 0); }

size_t GramSet::count() const {
  size_t out = 0;
  for (uint64_t word : words_) out += static_cast<size_t>(std::popcount(word));
  return out;
}

std::vector<uint64_t> GramSet::fold(uint32_t rows) const {
  std::vector<uint64_t> out((rows + 63) / 64);
  for (uint32_t word = 0; word < words_.size(); ++word) {
    for (uint64_t left = words_[word]; left != 0; left &= left - 1) {
      const uint32_t row = filter_row(word * 64 + static_cast<uint32_t>(std::countr_zero(left)), rows);
      out[row >> 6] |= uint64_t{1} << (row & 63);
    }
  }
  return out;
}

}  // namespace server
