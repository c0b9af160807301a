// Packed integers: unsigned 64-bit numbers in blocks of 128, small where neighbours are alike. Decodes at about one
// number per nanosecond without any knowledge of the CPU.
//
//   block    u8 width | u8 scale | u8 exceptions | varint base | n x width bits, lowest first, filled up to a byte |
//            exceptions x { u8 position | varint high bits }
//   number   (low bits | high << width) * scale of {1, 1,000, 1,000,000, 1,000,000,000}[scale] + base
//
// n is 128, in the last block what is left; the count of numbers is known from elsewhere. Width is at most 56, or 64.
// Thread: any.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace server {

inline constexpr size_t kPackedBlock = 128;

void append_packed(std::string& out, std::span<const uint64_t> numbers);
// The same format in whole bytes, with one base and width for all blocks: larger as it is, often much smaller once
// compressed (lengths of lines, where one line is like another).
void append_packed_bytes(std::string& out, std::span<const uint64_t> numbers);

// Reads back what append_packed wrote from bytes that are not trusted.
class PackedReader {
 public:
  explicit PackedReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The next block, of `count` <= kPackedBlock numbers. False: the bytes are malformed or too few.
  bool block(uint64_t* out, size_t count);
  // Any count, block by block.
  bool read(uint64_t* out, size_t count);
  std::string_view rest() const { return {at_, static_cast<size_t>(end_ - at_)}; }

 private:
  const char* at_;
  const char* end_;
};

}  // namespace server
