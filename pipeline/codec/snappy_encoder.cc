#include "pipeline/codec/snappy_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pipeline {

namespace {

constexpr size_t kShortestCopy = 7;    // bytes looked for; what is found may be longer
constexpr size_t kFurthest = 65535;    // back
constexpr size_t kMargin = 32;         // bytes that may be read behind a place looked at
constexpr size_t kShortLiteral = 60;   // longer ones have their length behind the tag
constexpr uint32_t kFirstStride = 64;  // in 32nds of a byte; one more for every place looked at in vain
constexpr uint64_t kMultiplier = 0x9e37'79b1'85eb'ca87;
constexpr int kUnusedBits = 64 - 8 * static_cast<int>(kShortestCopy);

uint64_t load(const char* from) {
  uint64_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

char* write_length(char* to, size_t length) {
  const size_t n = length - 1;
  if (n < kShortLiteral) {
    *to++ = static_cast<char>(n << 2);
    return to;
  }
  const size_t bytes = n < 0x100 ? 1 : n < 0x10000 ? 2 : 3;
  *to++ = static_cast<char>((kShortLiteral + bytes - 1) << 2);
  for (size_t i = 0; i < bytes; ++i) *to++ = static_cast<char>(n >> (8 * i));
  return to;
}

char* write_literal(char* to, const char* from, size_t size) {
  to = write_length(to, size);
  std::memcpy(to, from, size);
  return to + size;
}

// With kMargin bytes to read behind the beginning and to write behind the end.
inline char* write_literal_fast(char* to, const char* from, size_t size) {
  if (size > kMargin) [[unlikely]]
    return write_literal(to, from, size);
  *to++ = static_cast<char>((size - 1) << 2);
  std::memcpy(to, from, kMargin);
  return to + size;
}

inline char* write_copy_up_to_64(char* to, uint32_t distance, uint32_t size) {
  const bool is_near = (size < 12) & (distance < 2048);
  const uint32_t near_copy = 1 | (size - 4) << 2 | distance >> 8 << 5 | (distance & 0xff) << 8;
  const uint32_t far_copy = 2 | (size - 1) << 2 | distance << 8;
  const uint32_t element = is_near ? near_copy : far_copy;  // without a jump: neither is rare
  std::memcpy(to, &element, sizeof element);
  return to + (is_near ? 2 : 3);
}

inline char* write_copy(char* to, uint32_t distance, size_t size) {
  for (; size >= 68; size -= 64) to = write_copy_up_to_64(to, distance, 64);
  if (size > 64) to = write_copy_up_to_64(to, distance, 60), size -= 60;  // at least 4 are left
  return write_copy_up_to_64(to, distance, static_cast<uint32_t>(size));
}

// How far two texts are equal; the second one ends at `end`.
size_t equal_bytes(const char* earlier, const char* at, const char* end) {
  const char* begin = at;
  for (; end - at >= 8; at += 8, earlier += 8) {
    if (uint64_t difference = load(at) ^ load(earlier)) {
      return static_cast<size_t>(at - begin) + static_cast<size_t>(std::countr_zero(difference)) / 8;
    }
  }
  while (at < end && *at == *earlier) ++at, ++earlier;
  return static_cast<size_t>(at - begin);
}

}  // namespace

SnappyEncoder::SnappyEncoder()
    : table_(std::make_unique_for_overwrite<uint32_t[]>(size_t{1} << kTableBits)),
      encoded_(std::make_unique_for_overwrite<char[]>(kSliceBytes + kSliceBytes / 64 + 2 * kMargin)) {}

void SnappyEncoder::append(std::string& out, std::string_view part) {
  const int bits = std::clamp(static_cast<int>(std::bit_width(part.size())), 6, static_cast<int>(kTableBits));
  shift_ = 64 - bits;
  std::fill_n(table_.get(), size_t{1} << bits, 0);
  for (size_t at = 0; at < part.size(); at += kSliceBytes) {
    const char* begin = part.data() + at;
    const char* end = encode_slice(part.data(), begin, begin + std::min(kSliceBytes, part.size() - at), encoded_.get());
    out.append(encoded_.get(), static_cast<size_t>(end - encoded_.get()));
  }
}

inline uint32_t SnappyEncoder::slot(uint64_t bytes) const {
  return static_cast<uint32_t>((bytes << kUnusedBits) * kMultiplier >> shift_);
}

// A literal is at most a slice; each is followed by a copy that is shorter than what it stands for by more than the
// literal's tag, so the slice never grows by more than the last literal's tag.
char* SnappyEncoder::encode_slice(const char* base, const char* begin, const char* end, char* to) {
  const char* done = begin;                                                       // everything before is written
  const char* at = begin + static_cast<size_t>(begin == base);                    // something must lie before
  const char* limit = end - std::min(kMargin, static_cast<size_t>(end - begin));  // no search from here on
  uint32_t stride = kFirstStride;
  while (at < limit) {
    const uint64_t bytes = load(at);
    uint32_t& place = table_[slot(bytes)];
    const char* earlier = base + place;
    place = static_cast<uint32_t>(at - base);
    if ((bytes ^ load(earlier)) << kUnusedBits != 0 || static_cast<size_t>(at - earlier) > kFurthest) {
      at += stride++ / 32;
      continue;
    }
    const char* match = at;
    while (match > done && earlier > base && match[-1] == earlier[-1]) --match, --earlier;
    if (match > done) to = write_literal_fast(to, done, static_cast<size_t>(match - done));
    const size_t size = equal_bytes(earlier, match, end);
    to = write_copy(to, static_cast<uint32_t>(match - earlier), size);
    done = at = match + size;
    stride = kFirstStride;
  }
  if (done < end) to = write_literal(to, done, static_cast<size_t>(end - done));
  return to;
}

}  // namespace pipeline
