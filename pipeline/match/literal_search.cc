#include "pipeline/match/literal_search.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <immintrin.h>

namespace pipeline {

namespace {

// How common a byte is in logs: higher is more common. Letters by English text and JSON keys, digits and separators by
// the corpora of the benchmark; everything else is rare.
constexpr std::array<uint8_t, 256> make_commonness() {
  std::array<uint8_t, 256> rank{};
  constexpr std::string_view kCommonFirst =
      " eta0o1inrs2\"dlc.3:u45mp,-69h78g/fbyv_wk=TxSMNAE[]IzRDjCFqPLOG()BHWVUKJYX{}QZ";
  uint8_t next = 255;
  for (char c : kCommonFirst) rank[static_cast<uint8_t>(c)] = next--;
  return rank;
}
constexpr auto kCommonness = make_commonness();

bool is_letter(uint8_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; }

bool cpu_has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

}  // namespace

LiteralSearcher::LiteralSearcher(std::string_view literal, Case letters) : literal_(literal), case_(letters) {
  if (case_ == Case::kIgnoreAscii) {
    for (char& c : literal_) c = static_cast<char>(lower(static_cast<uint8_t>(c)));
  }
  auto commonness = [&](size_t i) {
    auto c = static_cast<uint8_t>(literal_[i]);
    if (case_ == Case::kExact || !is_letter(c)) return kCommonness[c];
    return std::max(kCommonness[c], kCommonness[c ^ 0x20]);
  };
  for (size_t i = 1; i < literal_.size(); ++i) {
    if (commonness(i) < commonness(rare_[0])) rare_[0] = i;
  }
  rare_[1] = rare_[0];
  for (size_t i = 0; i < literal_.size(); ++i) {  // the second rarest, better another byte
    if (i == rare_[0]) continue;
    bool first = rare_[1] == rare_[0];
    bool repeats = literal_[i] == literal_[rare_[0]];
    bool held_repeats = literal_[rare_[1]] == literal_[rare_[0]];
    if (first || (held_repeats && !repeats) || (held_repeats == repeats && commonness(i) < commonness(rare_[1]))) {
      rare_[1] = i;
    }
  }
  if (rare_[0] > rare_[1]) std::swap(rare_[0], rare_[1]);
  for (int k = 0; k < 2 && !literal_.empty(); ++k) {
    if (case_ == Case::kIgnoreAscii && is_letter(static_cast<uint8_t>(literal_[rare_[k]]))) fold_[k] = 0x20;
  }
}

bool LiteralSearcher::equals_at(const char* at) const {
  if (case_ == Case::kExact) return std::memcmp(at, literal_.data(), literal_.size()) == 0;
  for (size_t i = 0; i < literal_.size(); ++i) {
    if (lower(static_cast<uint8_t>(at[i])) != static_cast<uint8_t>(literal_[i])) return false;
  }
  return true;
}

// All three get begin < end with room for the literal, and answer an offset from `begin` or npos.

__attribute__((target("avx2"))) size_t LiteralSearcher::find_avx2(const char* begin, const char* end) const {
  constexpr size_t kStep = 32;
  const __m256i first = _mm256_set1_epi8(literal_[rare_[0]]), second = _mm256_set1_epi8(literal_[rare_[1]]);
  const __m256i fold_first = _mm256_set1_epi8(static_cast<char>(fold_[0]));
  const __m256i fold_second = _mm256_set1_epi8(static_cast<char>(fold_[1]));
  const bool folds = case_ == Case::kIgnoreAscii;
  const char* last_start = end - literal_.size();
  auto fits = [&](const char* at) __attribute__((target("avx2"), always_inline)) {
    __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + rare_[0]));
    __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + rare_[1]));
    if (folds) a = _mm256_or_si256(a, fold_first), b = _mm256_or_si256(b, fold_second);
    return _mm256_and_si256(_mm256_cmpeq_epi8(a, first), _mm256_cmpeq_epi8(b, second));
  };
  auto check = [&](const char* at, __m256i hits) __attribute__((target("avx2"), always_inline))->const char* {
    for (auto mask = static_cast<uint32_t>(_mm256_movemask_epi8(hits)); mask != 0; mask &= mask - 1) {
      const char* start = at + __builtin_ctz(mask);
      if (start <= last_start && equals_at(start)) return start;
    }
    return nullptr;
  };
  const char* at = begin;
  size_t reach = rare_[1] + kStep;
  for (; static_cast<size_t>(end - at) >= reach + kStep; at += 2 * kStep) {
    __m256i low = fits(at), high = fits(at + kStep);
    __m256i any = _mm256_or_si256(low, high);
    if (_mm256_testz_si256(any, any)) [[likely]]
      continue;
    if (const char* hit = check(at, low)) return static_cast<size_t>(hit - begin);
    if (const char* hit = check(at + kStep, high)) return static_cast<size_t>(hit - begin);
  }
  for (; static_cast<size_t>(end - at) >= reach; at += kStep) {
    if (const char* hit = check(at, fits(at))) return static_cast<size_t>(hit - begin);
  }
  if (at > last_start) return npos;
  size_t rest = find_sse2(at, end);
  return rest == npos ? npos : static_cast<size_t>(at - begin) + rest;
}

size_t LiteralSearcher::find_sse2(const char* begin, const char* end) const {
  constexpr size_t kStep = 16;
  const __m128i first = _mm_set1_epi8(literal_[rare_[0]]), second = _mm_set1_epi8(literal_[rare_[1]]);
  const __m128i fold_first = _mm_set1_epi8(static_cast<char>(fold_[0]));
  const __m128i fold_second = _mm_set1_epi8(static_cast<char>(fold_[1]));
  const char* last_start = end - literal_.size();
  const char* at = begin;
  for (size_t reach = rare_[1] + kStep; static_cast<size_t>(end - at) >= reach; at += kStep) {
    __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + rare_[0]));
    __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + rare_[1]));
    __m128i hits = _mm_and_si128(_mm_cmpeq_epi8(_mm_or_si128(a, fold_first), first),
                                 _mm_cmpeq_epi8(_mm_or_si128(b, fold_second), second));
    for (auto mask = static_cast<uint32_t>(_mm_movemask_epi8(hits)); mask != 0; mask &= mask - 1) {
      const char* start = at + __builtin_ctz(mask);
      if (start <= last_start && equals_at(start)) return static_cast<size_t>(start - begin);
    }
  }
  if (at > last_start) return npos;
  size_t rest = find_slowly(at, end);
  return rest == npos ? npos : static_cast<size_t>(at - begin) + rest;
}

size_t LiteralSearcher::find_slowly(const char* begin, const char* end) const {
  const auto wanted = static_cast<uint8_t>(literal_[rare_[0]]);
  for (const char* at = begin; at <= end - literal_.size(); ++at) {
    if ((static_cast<uint8_t>(at[rare_[0]]) | fold_[0]) == wanted && equals_at(at)) {
      return static_cast<size_t>(at - begin);
    }
  }
  return npos;
}

size_t LiteralSearcher::find(std::string_view page, size_t from) const {
  if (from > page.size() || page.size() - from < literal_.size()) return npos;
  if (literal_.empty()) return from;
  const char* begin = page.data() + from;
  const char* end = page.data() + page.size();
  size_t found = cpu_has_avx2() ? find_avx2(begin, end) : find_sse2(begin, end);
  return found == npos ? npos : from + found;
}

void LiteralSearcher::find_all(std::string_view page, std::vector<uint32_t>& offsets) const {
  for (size_t at = find(page); at != npos; at = find(page, at + 1)) offsets.push_back(static_cast<uint32_t>(at));
}

}  // namespace pipeline
