#include "server/store/gram_marks.h"

#include <algorithm>
#include <cstring>
#include <immintrin.h>

#include "server/store/gram.h"

namespace server {

namespace {

constexpr size_t kPiece = 1024;                // places at a time, so that all of it stays in the first cache
constexpr size_t kSeen = sizeof(uint64_t);     // bytes behind the last place that are looked at
constexpr size_t kRoom = kPiece + kSeen + 32;  // loops of vectors go beyond the end

struct Piece {
  alignas(32) char text[kRoom];      // in lower case
  alignas(32) int8_t digits[kRoom];  // -1 where four digits begin
  alignas(32) uint32_t buckets[kPiece];
};

#define SKIDWAY_INLINE __attribute__((always_inline)) inline

// Which places begin four digits is found out for many places a step, before the grams are taken one by one.
SKIDWAY_INLINE void fold(const char* from, size_t size, Piece& piece) {
  for (size_t i = 0; i < size; ++i) piece.text[i] = gram_lower(from[i]);
  for (size_t i = 0; i < size; ++i) piece.digits[i] = static_cast<unsigned char>(from[i] - '0') < 10 ? -1 : 0;
  std::memset(piece.text + size, 0, kRoom - size);
  std::memset(piece.digits + size, 0, kRoom - size);
  int8_t* digits = piece.digits;
  for (size_t i = 0; i < size; ++i)
    digits[i] = static_cast<int8_t>(digits[i] & digits[i + 1] & digits[i + 2] & digits[i + 3]);
}

// Of the first `places` places, each of which has 8 bytes.
SKIDWAY_INLINE void buckets_plain(Piece& piece, size_t places) {
  for (size_t i = 0; i < places; ++i) {
    const uint64_t six = static_cast<uint64_t>(int64_t{piece.digits[i]}) & kDigitGramMask;
    piece.buckets[i] = gram_bucket(load8(piece.text + i) & (kGramMask | six));
  }
}

// Eight places a step: of the product of a gram and the multiplier only the upper half is needed, modulo 2^32.
__attribute__((target("avx2"))) void buckets_avx2(Piece& piece, size_t places) {
  constexpr auto kLow = static_cast<int>(static_cast<uint32_t>(kGramMultiplier));
  constexpr auto kHigh = static_cast<int>(static_cast<uint32_t>(kGramMultiplier >> 32));
  const __m256i four = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,  //
                                        4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
  const __m256i two = _mm256_setr_epi8(4, 5, -1, -1, 5, 6, -1, -1, 6, 7, -1, -1, 7, 8, -1, -1,  //
                                       8, 9, -1, -1, 9, 10, -1, -1, 10, 11, -1, -1, 11, 12, -1, -1);
  const __m256i low = _mm256_set1_epi32(kLow), high = _mm256_set1_epi32(kHigh);
  for (size_t i = 0; i < places; i += 8) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(piece.text + i));
    const __m128i digits = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(piece.digits + i));
    const __m256i both = _mm256_broadcastsi128_si256(bytes);
    const __m256i gram = _mm256_shuffle_epi8(both, four);
    const __m256i rest = _mm256_and_si256(_mm256_shuffle_epi8(both, two), _mm256_cvtepi8_epi32(digits));
    const __m256i even = _mm256_mul_epu32(gram, low), odd = _mm256_mul_epu32(_mm256_srli_epi64(gram, 32), low);
    __m256i upper = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    upper = _mm256_add_epi32(upper, _mm256_mullo_epi32(gram, high));
    upper = _mm256_add_epi32(upper, _mm256_mullo_epi32(rest, low));
    _mm256_store_si256(reinterpret_cast<__m256i*>(piece.buckets + i), _mm256_srli_epi32(upper, 32 - kGramBucketBits));
  }
}

template <class Buckets>
SKIDWAY_INLINE void mark(std::string_view text, uint64_t* words, Buckets buckets) {
  Piece piece;
  auto see = [words](uint32_t bucket) { words[bucket >> 6] |= uint64_t{1} << (bucket & 63); };
  for (size_t begin = 0; begin < text.size(); begin += kPiece) {
    const size_t size = std::min(kPiece + kSeen, text.size() - begin);
    fold(text.data() + begin, size, piece);
    const size_t places = size < kSeen ? 0 : std::min(kPiece, size - kSeen + 1);
    buckets(piece, places);
    for (size_t i = 0; i < places; ++i) see(piece.buckets[i]);
    if (begin + size == text.size()) each_gram(piece.text, size, places, see);
  }
}

__attribute__((target("avx2,bmi,bmi2"))) void mark_avx2(std::string_view text, uint64_t* words) {
  mark(text, words, buckets_avx2);
}
#undef SKIDWAY_INLINE

}  // namespace

void mark_grams_plainly(std::string_view text, uint64_t* words) {
  mark(text, words, [](Piece& piece, size_t places) { buckets_plain(piece, places); });
}

void mark_grams(std::string_view text, uint64_t* words) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  has_avx2 ? mark_avx2(text, words) : mark_grams_plainly(text, words);
}

}  // namespace server
