// SnappyEncoder: the elements of a snappy block, made 1.5 to 2 times as fast as the library makes them from logs, and
// about as small. Any decoder reads them.
//
// Logs repeat in long pieces: field names, whole messages. So it looks for eight equal bytes where the library looks
// for four, at every second or fourth byte at first and at fewer the longer it finds nothing, reaches back over what it
// stepped over, and remembers one place of every piece it has copied. Pieces are looked for in the last 64 KiB. What
// was found is measured and written without a jump that depends on it: such jumps cannot be guessed, and cost more than
// the work.
//
//   literal   (n - 1) << 2, or 60..62 << 2 and n - 1 in 1 to 3 bytes; then n bytes
//   copy      1 | (n - 4) << 2 | distance >> 8 << 5, distance & 255         4 to 11 bytes from less than 2048 back
//             2 | (n - 1) << 2, distance in two bytes                       1 to 64 bytes
// (https://github.com/google/snappy/blob/main/format_description.txt)
//
// Thread:  one at a time.
// Limits:  a part is below 4 GiB. 100 KiB of memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pipeline {

enum class SnappySearch : uint8_t {
  kClose,  // at every second byte
  kLoose,  // at every fourth, and not right behind a copy: a quarter less time, 12 to 16 % more bytes
};

class SnappyEncoder {
 public:
  explicit SnappyEncoder(SnappySearch search = SnappySearch::kClose);

  // Appends the elements of `part`, which look back no further than its beginning. The same part gives the same bytes.
  void append(std::string& out, std::string_view part);

 private:
  static constexpr size_t kTableBits = 14;
  static constexpr size_t kSliceBytes = 64 << 10;  // of input between two appends

  struct Repeat {
    const char* at;
    uint32_t distance;  // to the same bytes before; 0: nothing was found
  };
  Repeat find(const char* base, const char* at, const char* limit);
  char* encode_slice(const char* base, const char* begin, const char* end, char* to);

  const uint32_t first_stride_;
  const uint32_t behind_copy_;         // bytes stepped over: a repeat seldom begins where one ended
  std::unique_ptr<uint16_t[]> table_;  // by a hash of bytes: the last offset that had such, its lower 16 bits
  std::unique_ptr<char[]> encoded_;    // of one slice
  int shift_ = 0;                      // from a hash to a place in the table
};

}  // namespace pipeline
