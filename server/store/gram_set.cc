#include "server/store/gram_set.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "pipeline/base/hash.h"

namespace server {

namespace {

constexpr size_t kGram = 4, kDigitGram = 6;
// A multiplier with a good spectrum for 64 bits (P. L'Ecuyer, "Tables of linear congruential generators").
constexpr uint64_t kMultiplier = 0xd134'2543'de82'ef95;
constexpr uint32_t kFewestRows = 64, kMostRows = 1 << 17;
constexpr double kMostLoad = 0.5;

uint32_t bucket_of(uint64_t gram) { return static_cast<uint32_t>((gram * kMultiplier) >> (64 - kGramBucketBits)); }

char lower(char c) { return static_cast<char>(c + ((static_cast<unsigned char>(c - 'A') < 26) << 5)); }

bool are_digits(uint32_t bytes) {
  const uint32_t above = bytes ^ 0x3030'3030U;  // 0 to 9 of a digit
  return ((((above & 0x7f7f'7f7fU) + 0x7676'7676U) | above) & 0x8080'8080U) == 0;
}

uint64_t load8(const char* at) {
  uint64_t out;
  std::memcpy(&out, at, sizeof out);
  return out;
}

constexpr uint64_t kMask4 = 0xffff'ffff, kMask6 = 0xffff'ffff'ffff;

// The gram that begins a group of 8 bytes, as a number: little-endian, so on every machine we run on.
uint64_t gram_of(uint64_t bytes) { return bytes & (are_digits(static_cast<uint32_t>(bytes)) ? kMask6 : kMask4); }

// Calls `see` with the bucket of every gram, from that at `i` on, of a text in lower case.
template <class See>
void each_gram(const char* text, size_t size, size_t i, See see) {
  for (; i + sizeof(uint64_t) <= size; ++i) see(bucket_of(gram_of(load8(text + i))));
  for (; i + kGram <= size; ++i) {
    char bytes[sizeof(uint64_t)] = {};
    std::memcpy(bytes, text + i, size - i);
    const uint64_t gram = load8(bytes);
    if (i + kDigitGram <= size || !are_digits(static_cast<uint32_t>(gram))) see(bucket_of(gram_of(gram)));
  }
}

}  // namespace

std::vector<uint32_t> gram_buckets(std::string_view needle) {
  std::vector<char> folded(needle.size());
  std::transform(needle.begin(), needle.end(), folded.begin(), lower);
  std::vector<uint32_t> out;
  each_gram(folded.data(), folded.size(), 0, [&](uint32_t bucket) { out.push_back(bucket); });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<uint32_t> metadata_buckets(std::string_view name, std::string_view value) {
  const uint64_t hash = pipeline::hash64(value, pipeline::hash64(name));
  const uint64_t step = (hash >> 32) * kMultiplier | 1;
  std::vector<uint32_t> out(kMetadataProbes);
  for (size_t i = 0; i < kMetadataProbes; ++i) out[i] = bucket_of(hash + i * step);
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

// Which places begin four digits is found out for many places a step, before the grams are taken one by one.
void GramSet::add_text(std::string_view text) {
  const size_t size = text.size();
  folded_.resize(size), digits_.resize(size);
  const char* from = text.data();
  char* to = folded_.data();
  int8_t* digits = digits_.data();
  for (size_t i = 0; i < size; ++i) to[i] = lower(from[i]);
  for (size_t i = 0; i < size; ++i) digits[i] = static_cast<unsigned char>(from[i] - '0') < 10 ? -1 : 0;
  for (size_t i = 0; i + kGram <= size; ++i)
    digits[i] = static_cast<int8_t>(digits[i] & digits[i + 1] & digits[i + 2] & digits[i + 3]);
  uint64_t* words = words_.data();
  auto see = [words](uint32_t bucket) { words[bucket >> 6] |= uint64_t{1} << (bucket & 63); };
  size_t i = 0;
  for (; i + sizeof(uint64_t) <= size; ++i) {
    const uint64_t mask = kMask4 | (static_cast<uint64_t>(int64_t{digits[i]}) & kMask6);
    see(bucket_of(load8(to + i) & mask));
  }
  each_gram(to, size, i, see);
}

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
