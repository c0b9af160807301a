#include "pipeline/codec/snappy_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <emmintrin.h>

namespace pipeline {

namespace {

constexpr size_t kFirstOffset = 8;    // of a part that is looked at: so many bytes may be read before one
constexpr size_t kMeasured = 32;      // bytes compared, and of a literal copied, at once
constexpr size_t kMargin = 40;        // bytes that may be read behind a place looked at, or written behind an element
constexpr size_t kShortLiteral = 60;  // longer ones have their length behind the tag
constexpr uint32_t kStep = 32;        // a stride counts in parts of a byte: one more for every place looked at in vain
constexpr uint64_t kMultiplier = 0x9e37'79b1'85eb'ca87;

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

// Also of no bytes, which is nothing. With kMargin bytes to read behind the beginning and to write behind the end.
inline char* write_literal_fast(char* to, const char* from, size_t size) {
  if (size > kMeasured) [[unlikely]]
    return write_literal(to, from, size);
  *to = static_cast<char>((size - 1) << 2);
  std::memcpy(to + 1, from, kMeasured);
  return to + size + (size != 0);
}

inline char* write_copy_up_to_64(char* to, uint32_t distance, uint32_t size) {
  const uint32_t is_near = (size < 12) & (distance < 2048);
  const uint32_t near_copy = 1 | (size - 4) << 2 | distance >> 8 << 5 | (distance & 0xff) << 8;
  const uint32_t far_copy = 2 | (size - 1) << 2 | distance << 8;
  const uint32_t element = far_copy ^ ((near_copy ^ far_copy) & -is_near);
  std::memcpy(to, &element, sizeof element);
  return to + (3 - is_near);
}

inline char* write_copy(char* to, uint32_t distance, size_t size) {
  if (size > 64) [[unlikely]] {
    for (; size >= 68; size -= 64) to = write_copy_up_to_64(to, distance, 64);
    if (size > 64) to = write_copy_up_to_64(to, distance, 60), size -= 60;  // at least 4 are left
  }
  return write_copy_up_to_64(to, distance, static_cast<uint32_t>(size));
}

// Bit k: the bytes k of two pieces of kMeasured bytes differ.
inline uint32_t differences(const char* one, const char* other) {
  const auto load16 = [](const char* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); };
  const auto equal16 = [&](size_t at) {
    return static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(load16(one + at), load16(other + at))));
  };
  return ~(equal16(0) | equal16(16) << 16);
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

// How many of the bytes before two places are equal: up to seven, which is more than a stride mostly steps over.
inline size_t equal_bytes_before(const char* one, const char* other) {
  return static_cast<size_t>(std::countl_zero((load(one - 8) ^ load(other - 8)) | 1)) / 8;
}

}  // namespace

SnappyEncoder::SnappyEncoder(SnappySearch search)
    : first_stride_(search == SnappySearch::kClose ? 2 * kStep : 4 * kStep),
      behind_copy_(search == SnappySearch::kClose ? 0 : 3),
      table_(std::make_unique_for_overwrite<uint16_t[]>(size_t{1} << kTableBits)),
      encoded_(std::make_unique_for_overwrite<char[]>(kSliceBytes + kSliceBytes / 64 + 2 * kMargin)) {}

void SnappyEncoder::append(std::string& out, std::string_view part) {
  const int bits = std::clamp(static_cast<int>(std::bit_width(part.size())), 6, static_cast<int>(kTableBits));
  shift_ = 64 - bits;
  std::fill_n(table_.get(), size_t{1} << bits, static_cast<uint16_t>(kFirstOffset));
  for (size_t at = 0; at < part.size(); at += kSliceBytes) {
    const char* begin = part.data() + at;
    const char* end = encode_slice(part.data(), begin, begin + std::min(kSliceBytes, part.size() - at), encoded_.get());
    out.append(encoded_.get(), static_cast<size_t>(end - encoded_.get()));
  }
}

// Of an offset in the table only the lower bits are known: what they mean lies in the last 64 KiB, at kFirstOffset or
// behind it, and whether it has the bytes is seen there.
inline SnappyEncoder::Repeat SnappyEncoder::find(const char* base, const char* at, const char* limit) {
  for (uint32_t stride = first_stride_; at < limit; at += stride++ / kStep) {
    const uint64_t bytes = load(at);
    uint16_t& place = table_[bytes * kMultiplier >> shift_];
    const auto here = static_cast<uint16_t>(at - base);
    const auto distance = static_cast<uint16_t>(here - place);
    place = here;
    if (bytes == load(at - distance) && distance != 0) return {at, distance};
  }
  return {at, 0};
}

// A literal is at most a slice; each is followed by a copy that is shorter than what it stands for by more than the
// literal's tag, so the slice never grows by more than the last literal's tag.
char* SnappyEncoder::encode_slice(const char* base, const char* begin, const char* end, char* to) {
  const char* done = begin;  // everything before is written
  const size_t size = static_cast<size_t>(end - begin), first = begin == base ? kFirstOffset + 1 : 0;
  if (size <= first + kMargin) return write_literal(to, begin, size);
  const char* limit = end - kMargin;  // no search from here on
  for (const char* at = begin + first; at < limit;) {
    const Repeat found = find(base, at, limit);
    if (found.distance == 0) break;
    const auto left_out = static_cast<size_t>(found.at - done);
    const size_t back = std::min(equal_bytes_before(found.at, found.at - found.distance), left_out);
    const uint32_t different = differences(found.at, found.at - found.distance);
    size_t equal = static_cast<size_t>(std::countr_zero(different));
    if (different == 0) [[unlikely]]
      equal += equal_bytes(found.at + kMeasured - found.distance, found.at + kMeasured, end);
    to = write_literal_fast(to, done, left_out - back);
    to = write_copy(to, found.distance, back + equal);
    done = found.at + equal;
    at = done + behind_copy_;
  }
  if (done < end) to = write_literal(to, done, static_cast<size_t>(end - done));
  return to;
}

}  // namespace pipeline
