#include "server/ingest/level_words.h"

#include <cstdint>
#include <cstring>
#include <immintrin.h>
#include <utility>

namespace server {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lower_case[i]) return false;
  return true;
}

using Form = std::pair<std::string_view, std::string_view>;  // the text, the level

constexpr Form kForms[] = {{"trace", "trace"}, {"trc", "trace"},        {"debug", "debug"},      {"dbg", "debug"},
                           {"info", "info"},   {"inf", "info"},         {"information", "info"}, {"warn", "warn"},
                           {"wrn", "warn"},    {"warning", "warn"},     {"error", "error"},      {"err", "error"},
                           {"fatal", "fatal"}, {"critical", "critical"}};

constexpr Form kWords[] = {{"trace", "trace"}, {"debug", "debug"},  {"fatal", "fatal"},
                           {"error", "error"}, {"err", "error"},    {"critical", "critical"},
                           {"warn", "warn"},   {"warning", "warn"}, {"info", "info"}};

class Bytes {
 public:
  constexpr explicit Bytes(std::string_view bytes) {
    for (char c : bytes) has_[static_cast<unsigned char>(c)] = true;
  }
  bool has(char c) const { return has_[static_cast<unsigned char>(c)]; }

 private:
  bool has_[256] = {};
};
constexpr Bytes kLeftBoundaries(" \t\n[({\"'=|"), kRightBoundaries(" \t\n[](){}:,!\"'=");

std::optional<std::string_view> word_at(std::string_view text, size_t at) {
  if (at > 0 && !kLeftBoundaries.has(text[at - 1])) return std::nullopt;
  const char first = lower(text[at]);
  for (const auto& [word, level] : kWords) {
    if (word[0] != first || !equals_ignoring_case(text.substr(at, word.size()), word)) continue;
    const size_t end = at + word.size();
    if (end == text.size() || kRightBoundaries.has(text[end])) return level;
  }
  return std::nullopt;
}

// Bit k: one of the words may begin at at[k]: its first two letters stand there. Reads 17 bytes, or 33.
uint32_t beginnings_sse2(const char* at) {
  const __m128i blank = _mm_set1_epi8(0x20);
  const __m128i one = _mm_or_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)), blank);
  const __m128i two = _mm_or_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at + 1)), blank);
  auto first = [&](char c) { return _mm_cmpeq_epi8(one, _mm_set1_epi8(c)); };
  auto then = [&](__m128i firsts, char c) { return _mm_and_si128(firsts, _mm_cmpeq_epi8(two, _mm_set1_epi8(c))); };
  const __m128i r = then(_mm_or_si128(_mm_or_si128(first('t'), first('c')), first('e')), 'r');
  const __m128i a = then(_mm_or_si128(first('f'), first('w')), 'a');
  const __m128i found = _mm_or_si128(_mm_or_si128(r, a), _mm_or_si128(then(first('d'), 'e'), then(first('i'), 'n')));
  return static_cast<uint32_t>(_mm_movemask_epi8(found));
}

#define SKIDWAY_AVX2 __attribute__((target("avx2"), always_inline)) inline
SKIDWAY_AVX2 __m256i is_avx2(__m256i bytes, char c) { return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)); }

SKIDWAY_AVX2 uint32_t beginnings_avx2(const char* at) {
  const __m256i blank = _mm256_set1_epi8(0x20);
  const __m256i one = _mm256_or_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)), blank);
  const __m256i two = _mm256_or_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 1)), blank);
  const __m256i tce = _mm256_or_si256(_mm256_or_si256(is_avx2(one, 't'), is_avx2(one, 'c')), is_avx2(one, 'e'));
  const __m256i fw = _mm256_or_si256(is_avx2(one, 'f'), is_avx2(one, 'w'));
  const __m256i r = _mm256_and_si256(tce, is_avx2(two, 'r')), a = _mm256_and_si256(fw, is_avx2(two, 'a'));
  const __m256i de = _mm256_and_si256(is_avx2(one, 'd'), is_avx2(two, 'e'));
  const __m256i in = _mm256_and_si256(is_avx2(one, 'i'), is_avx2(two, 'n'));
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(r, a), _mm256_or_si256(de, in))));
}

std::optional<std::string_view> word_among(std::string_view text, size_t block, uint32_t beginnings) {
  for (; beginnings != 0; beginnings &= beginnings - 1) {
    const size_t at = block + static_cast<size_t>(__builtin_ctz(beginnings));
    if (at >= text.size()) break;
    if (auto level = word_at(text, at)) return level;
  }
  return std::nullopt;
}

// The part behind whole blocks, from `at` on: fewer than 33 bytes.
std::optional<std::string_view> word_in_rest(std::string_view text, size_t at) {
  char padded[64] = {};
  if (at < text.size()) std::memcpy(padded, text.data() + at, text.size() - at);
  const uint32_t beginnings = beginnings_sse2(padded) | beginnings_sse2(padded + 16) << 16;
  if (auto level = word_among(text, at, beginnings)) return level;
  return std::nullopt;
}

std::optional<std::string_view> search_sse2(std::string_view text) {
  size_t at = 0;
  for (; text.size() - at > 32; at += 16)
    if (auto level = word_among(text, at, beginnings_sse2(text.data() + at))) return level;
  return word_in_rest(text, at);
}

__attribute__((target("avx2"))) std::optional<std::string_view> search_avx2(std::string_view text) {
  size_t at = 0;
  for (; text.size() - at > 32; at += 32)
    if (uint32_t beginnings = beginnings_avx2(text.data() + at); beginnings != 0)
      if (auto level = word_among(text, at, beginnings)) return level;
  return word_in_rest(text, at);
}
#undef SKIDWAY_AVX2

}  // namespace

std::optional<std::string_view> level_of(std::string_view text) {
  for (const auto& [form, level] : kForms)
    if (equals_ignoring_case(text, form)) return level;
  return std::nullopt;
}

std::optional<std::string_view> first_level_word(std::string_view text) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2");
  return has_avx2 ? search_avx2(text) : search_sse2(text);
}

}  // namespace server
