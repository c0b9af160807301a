#include "pipeline/match/class_triple.h"

#include <algorithm>
#include <bit>
#include <immintrin.h>
#include <vector>

namespace pipeline {

namespace {

using Bytes = std::bitset<256>;
using Op = RegexStep::Op;

constexpr size_t kMostSteps = 200;     // looking at all of them takes time by the square
constexpr double kMostExpected = 0.5;  // triples in a line of 100 bytes for each that is needed: else little is gained

// Of ASCII bytes the high half as a bit.
constexpr std::array<uint8_t, 16> kHighBits = {1, 2, 4, 8, 16, 32, 64, 128};

// How often the bytes of a set stand in logs, all in all; roughly.
double share_of(const Bytes& bytes) {
  double share = 0;
  for (size_t c = 0; c < 0x80; ++c) {
    if (!bytes[c]) continue;
    const bool lower = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
    share += c == ' ' ? 0.08 : lower ? 0.018 : digit ? 0.022 : c > ' ' ? 0.006 : 0.0005;
  }
  return std::min(share, 1.0);
}

// What may stand where a step reads its byte, and beside it. A side of which nothing is known holds all bytes.
struct Found {
  std::array<Bytes, 3> bytes;
  uint32_t times = 0;
  double expected() const { return 100 * share_of(bytes[0]) * share_of(bytes[1]) * share_of(bytes[2]) / times; }
};

class TripleSearch {
 public:
  explicit TripleSearch(const RegexSteps& steps) : steps_(steps), before_(steps.steps.size()) {}

  std::vector<Found> run() {
    find_neighbours();
    std::vector<Found> out;
    for (uint32_t step = 0; step < steps_.steps.size(); ++step) {
      if (steps_.steps[step].op != Op::kByte || !is_needed(step)) continue;
      const std::array<Bytes, 3> bytes = {before_[step], steps_.steps[step].bytes, behind(step)};
      auto same = std::find_if(out.begin(), out.end(), [&](const Found& found) { return found.bytes == bytes; });
      if (same == out.end()) same = out.insert(out.end(), Found{bytes, 0});
      ++same->times;  // a match reads a byte for each of them
    }
    return out;
  }

 private:
  using Set = std::vector<uint32_t>;

  // The steps that read the next byte from `from` on; kMatch among them.
  Set reached(uint32_t from) const {
    Set out, open = {from};
    std::vector<bool> seen(steps_.steps.size());
    while (!open.empty()) {
      const uint32_t at = open.back();
      open.pop_back();
      if (seen[at]) continue;
      seen[at] = true;
      const RegexStep& step = steps_.steps[at];
      if (step.op == Op::kByte || step.op == Op::kMatch) {
        out.push_back(at);
        continue;
      }
      open.push_back(step.next);
      if (step.op == Op::kSplit) open.push_back(step.other);
    }
    return out;
  }

  void find_neighbours() {
    for (uint32_t step = 0; step < steps_.steps.size(); ++step) {
      if (steps_.steps[step].op != Op::kByte) continue;
      for (const uint32_t next : reached(steps_.steps[step].next)) before_[next] |= steps_.steps[step].bytes;
    }
    for (const uint32_t first : reached(steps_.begin)) before_[first].set();  // anything stands before a match
  }

  Bytes behind(uint32_t step) const {
    Bytes out;
    for (const uint32_t next : reached(steps_.steps[step].next)) {
      if (steps_.steps[next].op == Op::kMatch) return Bytes().set();
      out |= steps_.steps[next].bytes;
    }
    return out;
  }

  // There is no way to a match around it.
  bool is_needed(uint32_t avoided) const {
    std::vector<bool> seen(steps_.steps.size());
    Set open = {steps_.begin};
    while (!open.empty()) {
      const uint32_t at = open.back();
      open.pop_back();
      if (at == avoided || seen[at]) continue;
      seen[at] = true;
      const RegexStep& step = steps_.steps[at];
      if (step.op == Op::kMatch) return false;
      open.push_back(step.next);
      if (step.op == Op::kSplit) open.push_back(step.other);
    }
    return true;
  }

  const RegexSteps& steps_;
  std::vector<Bytes> before_;  // by step
};

bool cpu_has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

}  // namespace

std::optional<ClassTriple> ClassTriple::of(const RegexSteps& steps) {
  if (steps.steps.size() > kMostSteps) return std::nullopt;
  std::vector<Found> found = TripleSearch(steps).run();
  const auto best = std::min_element(found.begin(), found.end(),
                                     [](const Found& a, const Found& b) { return a.expected() < b.expected(); });
  if (best == found.end() || best->expected() > kMostExpected) return std::nullopt;
  ClassTriple out;
  out.times_ = best->times;
  for (size_t i = 0; i < 3; ++i) {
    out.bytes_[i] = best->bytes[i];
    // A character beyond ASCII may stand for any of them, a byte of it at each place.
    if (steps.beyond_matters)
      for (size_t c = 0x80; c < 256; ++c) out.bytes_[i].set(c);
    out.beyond_[i] = out.bytes_[i][0x80] ? ~uint32_t{0} : 0;  // they are in a set together or not at all
    for (size_t c = 0; c < 0x80; ++c)
      if (out.bytes_[i][c]) out.low_[i][c & 15] |= static_cast<uint8_t>(1 << (c >> 4));
  }
  return out;
}

bool ClassTriple::is_in(std::string_view text, size_t begin, size_t end) const {
  // Neighbours that may be anything need not be there.
  const size_t before = bytes_[0].all() ? 0 : 1, behind = bytes_[2].all() ? 0 : 1;
  if (end - begin < 1 + before + behind) return false;
  const char *first = text.data() + begin + before, *last = text.data() + end - behind;
  return cpu_has_avx2() ? has_avx2(text, first, last) : count(first, last) >= times_;
}

uint32_t ClassTriple::count(const char* first, const char* last) const {
  const bool any_before = bytes_[0].all(), any_behind = bytes_[2].all();
  uint32_t found = 0;
  for (const char* at = first; at < last; ++at) {
    if (!bytes_[1][static_cast<uint8_t>(at[0])]) continue;
    found += (any_before || bytes_[0][static_cast<uint8_t>(at[-1])]) &&
             (any_behind || bytes_[2][static_cast<uint8_t>(at[1])]);
  }
  return found;
}

__attribute__((target("avx2,popcnt"))) bool ClassTriple::has_avx2(std::string_view text, const char* first,
                                                                  const char* last) const {
  constexpr ptrdiff_t kStep = 32;
  const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
  const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kHighBits.data())));
  __m256i low[3];
  for (size_t i = 0; i < 3; ++i)
    low[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low_[i].data())));
  // A bit for each of 32 bytes from `at` on: whether it is in set `i`.
  auto members = [&](const char* at, size_t i) __attribute__((target("avx2"), always_inline)) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i column = _mm256_shuffle_epi8(low[i], _mm256_and_si256(bytes, nibble));
    const __m256i row = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
    const auto absent =
        static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(column, row), zero)));
    return ~absent | (static_cast<uint32_t>(_mm256_movemask_epi8(bytes)) & beyond_[i]);
  };
  const char *begin = text.data(), *end = begin + text.size();
  uint32_t found = 0;
  for (const char* at = first; at < last; at += kStep) {
    if (at == begin || end - at <= kStep) {  // bytes beside these 32 are not there
      found += count(at, std::min(at + kStep, last));
    } else {
      uint32_t hits = members(at, 1);
      if (hits != 0) hits &= members(at - 1, 0) & members(at + 1, 2);
      if (last - at < kStep) hits &= (uint32_t{1} << (last - at)) - 1;
      found += static_cast<uint32_t>(std::popcount(hits));
    }
    if (found >= times_) return true;
  }
  return false;
}

}  // namespace pipeline
