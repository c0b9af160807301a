// SnappyEncoder: the elements of a snappy block, made 1.2 to 1.7 times as fast as the library makes them from logs, and
// about as small. Any decoder reads them.
//
// Logs repeat in long pieces: field names, whole messages. So it looks for seven equal bytes where the library looks
// for four, at every second byte at first and at fewer the longer it finds nothing, reaches back over what it stepped
// over, and remembers one place of every piece it has copied. Pieces are looked for in the last 64 KiB.
//
//   literal   (n - 1) << 2, or 60..62 << 2 and n - 1 in 1 to 3 bytes; then n bytes
//   copy      1 | (n - 4) << 2 | distance >> 8 << 5, distance & 255         4 to 11 bytes from less than 2048 back
//             2 | (n - 1) << 2, distance in two bytes                       1 to 64 bytes
// (https://github.com/google/snappy/blob/main/format_description.txt)
//
// Thread:  one at a time.
// Limits:  a part is below 4 GiB. 110 KiB of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pipeline {

class SnappyEncoder {
 public:
  SnappyEncoder();

  // Appends the elements of `part`, which look back no further than its beginning. The same part gives the same bytes.
  void append(std::string& out, std::string_view part);

 private:
  static constexpr size_t kTableBits = 13;
  static constexpr size_t kSliceBytes = 64 << 10;  // of input between two appends

  char* encode_slice(const char* base, const char* begin, const char* end, char* to);
  uint32_t slot(uint64_t bytes) const;

  std::unique_ptr<uint32_t[]> table_;  // by slot: the last offset in the part that had such bytes
  std::unique_ptr<char[]> encoded_;    // of one slice
  int shift_ = 0;                      // to a slot
};

}  // namespace pipeline
