// ByteScanner: runs over bytes of a set, sixteen a step where the set or its opposite is a few ranges.
//
// Thread: any (immutable). Limits: reads nothing outside [begin, end).
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <emmintrin.h>

namespace pipeline {

class ByteScanner {
 public:
  explicit ByteScanner(const std::bitset<256>& over);

  bool runs_over(char c) const { return over_[static_cast<uint8_t>(c)] != 0; }

  // The first byte of [at, end) that is not in the set; `end` where there is none. begin <= at: what may be read.
  const char* skip(const char* begin, const char* at, const char* end) const {
    if (everything_) return end;
    switch (range_count_) {
      case 1: return skip_ranges<1>(begin, at, end);
      case 2: return skip_ranges<2>(begin, at, end);
      case 3: return skip_ranges<3>(begin, at, end);
      case 4: return skip_ranges<4>(begin, at, end);
      default: return skip_slowly(at, end);
    }
  }

 private:
  static constexpr size_t kStep = 16, kMaxRanges = 4;

  const char* skip_slowly(const char* at, const char* end) const {
    while (at != end && runs_over(*at)) ++at;
    return at;
  }

  // Bit k: the set ends at at[k].
  template <size_t kRanges>
  uint32_t stops(const char* at) const {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    __m128i in = _mm_setzero_si128();
    for (size_t r = 0; r < kRanges; ++r) {
      __m128i above = _mm_sub_epi8(bytes, first_[r]);
      in = _mm_or_si128(in, _mm_cmpeq_epi8(_mm_min_epu8(above, width_[r]), above));
    }
    return static_cast<uint32_t>(_mm_movemask_epi8(in)) ^ flip_;
  }

  template <size_t kRanges>
  const char* skip_ranges(const char* begin, const char* at, const char* end) const {
    for (; static_cast<size_t>(end - at) >= kStep; at += kStep) {
      if (uint32_t mask = stops<kRanges>(at)) return at + __builtin_ctz(mask);
    }
    if (static_cast<size_t>(end - begin) < kStep) return skip_slowly(at, end);
    uint32_t mask = stops<kRanges>(end - kStep) >> (kStep - static_cast<size_t>(end - at));
    return mask != 0 ? at + __builtin_ctz(mask) : end;
  }

  __m128i first_[kMaxRanges] = {}, width_[kMaxRanges] = {};  // of the bytes that stop, or (flip_) of those run over
  size_t range_count_ = 0;                                   // 0: too many
  uint32_t flip_ = 0;
  bool everything_ = false;
  std::array<uint8_t, 256> over_{};
};

}  // namespace pipeline
