#include "pipeline/base/checksum.h"

#include <array>
#include <cstring>
#include <nmmintrin.h>

namespace pipeline {

namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t c = i;
    for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ (c & 1 ? 0x82F63B78u : 0);
    table[i] = c;
  }
  return table;
}

uint32_t crc_by_table(const char* p, size_t n, uint32_t crc) {
  static constexpr auto kTable = make_table();
  for (size_t i = 0; i < n; ++i) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(p[i])) & 0xff];
  return crc;
}

__attribute__((target("sse4.2"))) uint32_t crc_by_instruction(const char* p, size_t n, uint32_t crc) {
  uint64_t c = crc;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    c = _mm_crc32_u64(c, word);
  }
  auto c32 = static_cast<uint32_t>(c);
  for (; n > 0; ++p, --n) c32 = _mm_crc32_u8(c32, static_cast<uint8_t>(*p));
  return c32;
}

}  // namespace

uint32_t crc32c(std::string_view bytes, uint32_t crc) {
  static const bool kHasInstruction = __builtin_cpu_supports("sse4.2");
  crc = ~crc;
  return ~(kHasInstruction ? crc_by_instruction(bytes.data(), bytes.size(), crc)
                           : crc_by_table(bytes.data(), bytes.size(), crc));
}

}  // namespace pipeline
