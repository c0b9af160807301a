#include "pipeline/match/line_splitter.h"

#include <immintrin.h>

namespace pipeline {

namespace {

constexpr size_t kStep = 64;

// Bit k is set where block[k] is a newline.
__attribute__((target("avx2"))) inline uint64_t newline_mask_avx2(const char* block) {
  const __m256i newline = _mm256_set1_epi8('\n');
  __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block));
  __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32));
  auto a = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, newline)));
  auto b = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, newline)));
  return a | static_cast<uint64_t>(b) << 32;
}

inline uint64_t newline_mask_sse2(const char* block) {
  const __m128i newline = _mm_set1_epi8('\n');
  uint64_t mask = 0;
  for (int k = 0; k < 4; ++k) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * k));
    mask |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, newline)))) << (16 * k);
  }
  return mask;
}

bool cpu_has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

// Offsets written through a pointer with room for a whole step, so that the loop has no call and no check per line.
class EndsWriter {
 public:
  explicit EndsWriter(std::vector<uint32_t>& ends) : ends_(ends), used_(ends.size()) {}
  EndsWriter(const EndsWriter&) = delete;
  EndsWriter& operator=(const EndsWriter&) = delete;
  ~EndsWriter() { ends_.resize(used_); }

  void add(uint64_t mask, size_t base) {
    if (ends_.size() - used_ < kStep) ends_.resize(ends_.size() * 2 + 16 * kStep);
    uint32_t* to = ends_.data() + used_;
    for (; mask != 0; mask &= mask - 1)
      *to++ = static_cast<uint32_t>(base) + static_cast<uint32_t>(__builtin_ctzll(mask));
    used_ = static_cast<size_t>(to - ends_.data());
  }

 private:
  std::vector<uint32_t>& ends_;
  size_t used_;
};

// Return how much of `text` they have done.
__attribute__((target("avx2"))) size_t split_avx2(std::string_view text, EndsWriter& out) {
  size_t at = 0;
  for (; at + kStep <= text.size(); at += kStep) {
    if (uint64_t mask = newline_mask_avx2(text.data() + at)) out.add(mask, at);
  }
  return at;
}
size_t split_sse2(std::string_view text, EndsWriter& out) {
  size_t at = 0;
  for (; at + kStep <= text.size(); at += kStep) {
    if (uint64_t mask = newline_mask_sse2(text.data() + at)) out.add(mask, at);
  }
  return at;
}
__attribute__((target("avx2,popcnt"))) size_t count_avx2(std::string_view text, size_t& count) {
  size_t at = 0;
  for (; at + kStep <= text.size(); at += kStep) {
    count += static_cast<size_t>(__builtin_popcountll(newline_mask_avx2(text.data() + at)));
  }
  return at;
}

}  // namespace

void find_newlines(std::string_view text, std::vector<uint32_t>& ends) {
  EndsWriter out(ends);
  size_t at = cpu_has_avx2() ? split_avx2(text, out) : split_sse2(text, out);
  for (; at < text.size(); ++at) {
    if (text[at] == '\n') out.add(1, at);
  }
}

size_t count_newlines(std::string_view text) {
  size_t count = 0;
  size_t at = cpu_has_avx2() ? count_avx2(text, count) : 0;
  for (; at < text.size(); ++at) count += static_cast<size_t>(text[at] == '\n');
  return count;
}

}  // namespace pipeline
