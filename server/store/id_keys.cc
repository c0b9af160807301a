#include "server/store/id_keys.h"

#include <algorithm>
#include <emmintrin.h>

#include "server/store/gram.h"

namespace server {

namespace {

constexpr size_t kBlock = sizeof(__m128i);         // a run of kIdBytes has a whole block, wherever blocks begin
constexpr size_t kGrams = kIdBytes - kIdGram + 1;  // in kIdBytes bytes
constexpr size_t kPiece = 1024;                    // bytes of a run at a time
static_assert(kIdBytes >= 2 * kBlock - 1);

bool is_id_byte(char c) {
  return static_cast<unsigned char>((c | 0x20) - 'a') < 26 || static_cast<unsigned char>(c - '0') < 10 || c == '-';
}

bool are_id_bytes(const char* at) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  auto within = [](__m128i from_zero, char most) {
    return _mm_cmpeq_epi8(_mm_min_epu8(from_zero, _mm_set1_epi8(most)), from_zero);
  };
  const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
  const __m128i letters = within(_mm_sub_epi8(lower, _mm_set1_epi8('a')), 25);
  const __m128i digits = within(_mm_sub_epi8(bytes, _mm_set1_epi8('0')), 9);
  const __m128i dashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('-'));
  return _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digits), dashes)) == 0xffff;
}

// Calls `see` with begin and end of every run of id bytes that is long enough, from left to right.
template <class See>
void each_run(std::string_view text, See see) {
  size_t behind = 0;  // the run before
  for (size_t at = 0; at + kBlock <= text.size();) {
    if (!are_id_bytes(text.data() + at)) {
      at += kBlock;
      continue;
    }
    size_t begin = at, end = at + kBlock;
    while (begin > behind && is_id_byte(text[begin - 1])) --begin;
    while (end < text.size() && is_id_byte(text[end])) ++end;
    if (end - begin >= kIdBytes) see(begin, end);
    behind = end;
    at = end / kBlock * kBlock + kBlock;  // the byte at `end` is in no run
  }
}

uint64_t gram_hash(const char* at) {
  uint64_t hash = load8(at) * kGramMultiplier;
  hash = (hash ^ (hash >> 32) ^ load8(at + sizeof(uint64_t))) * kGramMultiplier;
  return (hash ^ (hash >> 29)) * kGramMultiplier;
}

// Hashes that are least have few bits of their own on top.
uint32_t key_of(uint64_t hash) {
  return std::max(1U, static_cast<uint32_t>(((hash ^ (hash >> 31)) * kGramMultiplier) >> 32));
}

// Of up to kPiece bytes of a run.
template <class See>
void keys_of_piece(std::string_view piece, See see) {
  char text[kPiece];
  uint64_t hashes[kPiece];
  std::transform(piece.begin(), piece.end(), text, gram_lower);
  const size_t grams = piece.size() - kIdGram + 1;
  for (size_t i = 0; i < grams; ++i) hashes[i] = gram_hash(text + i);
  size_t least = grams;  // where the least hash of the window is; none yet
  for (size_t begin = 0; begin + kGrams <= grams; ++begin) {
    const size_t last = begin + kGrams - 1;
    const bool stays = least < grams && least >= begin;
    if (stays && hashes[last] >= hashes[least]) continue;
    least = stays ? last : static_cast<size_t>(std::min_element(hashes + begin, hashes + last + 1) - hashes);
    see(key_of(hashes[least]));
  }
}

template <class See>
void keys_of_run(std::string_view run, See see) {
  while (run.size() >= kIdBytes) {
    keys_of_piece(run.substr(0, kPiece), see);
    run.remove_prefix(run.size() <= kPiece ? run.size() : kPiece - kIdBytes + 1);
  }
}

}  // namespace

void append_id_keys(std::string_view text, std::span<const uint64_t> lengths, std::vector<uint32_t>& keys) {
  size_t line = 0, line_end = lengths.empty() ? 0 : lengths[0];
  each_run(text, [&](size_t begin, size_t end) {
    while (begin < end) {
      while (line_end <= begin) line_end += lengths[++line];
      const size_t stop = std::min<size_t>(end, line_end);
      keys_of_run(text.substr(begin, stop - begin), [&](uint32_t key) { keys.push_back(key); });
      begin = stop;
    }
  });
}

std::vector<uint32_t> id_keys(std::string_view needle) {
  std::vector<uint32_t> out;
  const uint64_t length = needle.size();
  append_id_keys(needle, {&length, 1}, out);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

}  // namespace server
