// One gram of the substring filter, as gram_set.h says what it is: the bytes at a place, and the bucket they fall into.
// For gram_set.cc and gram_marks.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "server/store/gram_set.h"

namespace server {

inline constexpr size_t kGram = 4, kDigitGram = 6;
// A multiplier with a good spectrum for 64 bits (P. L'Ecuyer, "Tables of linear congruential generators").
inline constexpr uint64_t kGramMultiplier = 0xd134'2543'de82'ef95;
inline constexpr uint64_t kGramMask = 0xffff'ffff, kDigitGramMask = 0xffff'ffff'ffff;

inline uint32_t gram_bucket(uint64_t gram) {
  return static_cast<uint32_t>((gram * kGramMultiplier) >> (64 - kGramBucketBits));
}

inline char gram_lower(char c) { return static_cast<char>(c + ((static_cast<unsigned char>(c - 'A') < 26) << 5)); }

inline bool are_digits(uint32_t bytes) {
  const uint32_t above = bytes ^ 0x3030'3030U;  // 0 to 9 of a digit
  return ((((above & 0x7f7f'7f7fU) + 0x7676'7676U) | above) & 0x8080'8080U) == 0;
}

inline uint64_t load8(const char* at) {
  uint64_t out;
  std::memcpy(&out, at, sizeof out);
  return out;
}

// The gram that begins a group of 8 bytes, as a number: little-endian, so on every machine we run on.
inline uint64_t gram_of(uint64_t bytes) {
  return bytes & (are_digits(static_cast<uint32_t>(bytes)) ? kDigitGramMask : kGramMask);
}

// Calls `see` with the bucket of every gram, from that at `i` on, of a text in lower case.
template <class See>
void each_gram(const char* text, size_t size, size_t i, See see) {
  for (; i + sizeof(uint64_t) <= size; ++i) see(gram_bucket(gram_of(load8(text + i))));
  for (; i + kGram <= size; ++i) {
    char bytes[sizeof(uint64_t)] = {};
    std::memcpy(bytes, text + i, size - i);
    const uint64_t gram = load8(bytes);
    if (i + kDigitGram <= size || !are_digits(static_cast<uint32_t>(gram))) see(gram_bucket(gram_of(gram)));
  }
}

}  // namespace server
