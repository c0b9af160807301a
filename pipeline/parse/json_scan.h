// The byte loops under the readers of JSON and logfmt. For this room only.
#pragma once

#include <cstdint>
#include <emmintrin.h>
#include <string_view>

namespace pipeline::json_scan {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

inline const char* skip_space(const char* at, const char* end) {
  while (at < end && static_cast<unsigned char>(*at) <= ' ' && is_space(*at)) ++at;
  return at;
}

// `at` is behind an opening quote. The closing quote, or null where there is none. `escaped` is set if a backslash was
// met, `control` if a byte below 0x20 was.
inline const char* string_end(const char* at, const char* end, bool& escaped, bool& control) {
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), last_control = _mm_set1_epi8(0x1f);
  while (end - at >= 16) {
    __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    auto ends = static_cast<uint32_t>(
        _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash))));
    auto controls = static_cast<uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(bytes, last_control), bytes)));
    if (ends == 0) {
      control |= controls != 0;
      at += 16;
      continue;
    }
    auto first = static_cast<uint32_t>(__builtin_ctz(ends));
    control |= (controls & ((1u << first) - 1)) != 0;
    at += first;
    if (*at == '"') return at;
    escaped = true;
    at += 2;
  }
  while (at < end) {
    if (*at == '"') return at;
    if (*at == '\\') {
      escaped = true;
      ++at;
    } else {
      control |= static_cast<unsigned char>(*at) < 0x20;
    }
    ++at;
  }
  return nullptr;
}

// `at` is at an opening { or [. One past its closing partner, strings skipped; null where there is none.
inline const char* block_end(const char* at, const char* end) {
  const char open = *at, close = open == '{' ? '}' : ']';
  int level = 0;
  for (bool ignored = false; at < end; ++at) {
    if (*at == '"') {
      at = string_end(at + 1, end, ignored, ignored);
      if (at == nullptr) return nullptr;
    } else if (*at == open) {
      ++level;
    } else if (*at == close && --level == 0) {
      return at + 1;
    }
  }
  return nullptr;
}

// One past a number, true, false, null or whatever else stands there.
inline const char* token_end(const char* at, const char* end) {
  while (at < end && !is_space(*at) && *at != ',' && *at != '}' && *at != ']') ++at;
  return at;
}

}  // namespace pipeline::json_scan
