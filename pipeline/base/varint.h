// Base-128 variable-length integers (protobuf encoding: 7 bits a byte, least significant group first, top bit: more
// follows), zigzag for signed ones, and little-endian fixed-width integers. The bytes of our own formats and of
// protobuf.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pipeline {

static_assert(std::endian::native == std::endian::little, "fixed-width integers are copied as they are");

inline constexpr size_t kMaxVarintBytes = 10;

constexpr uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
constexpr int64_t unzigzag(uint64_t v) { return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1); }

constexpr size_t varint_size(uint64_t v) { return static_cast<size_t>((std::bit_width(v | 1) + 6) / 7); }

// Writes at `to`, which has room for kMaxVarintBytes; returns one past the last byte.
inline char* write_varint(char* to, uint64_t v) {
  while (v >= 0x80) *to++ = static_cast<char>(v | 0x80), v >>= 7;
  *to++ = static_cast<char>(v);
  return to;
}

inline void append_varint(std::string& out, uint64_t v) {
  char buffer[kMaxVarintBytes];
  out.append(buffer, static_cast<size_t>(write_varint(buffer, v) - buffer));
}

template <class Integer>
void append_fixed(std::string& out, Integer v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

// Reads forwards through bytes that are not trusted. Once something is missing or malformed, `ok()` is false, stays so,
// and every further read gives 0 or an empty text: check once at the end.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  bool at_end() const { return at_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - at_); }

  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; at_ < end_ && shift < 64; shift += 7) {
      auto byte = static_cast<uint8_t>(*at_++);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    fail();
    return 0;
  }
  int64_t signed_varint() { return unzigzag(varint()); }

  template <class Integer>
  Integer fixed() {
    Integer v{};
    std::string_view b = bytes(sizeof v);
    if (b.size() == sizeof v) std::memcpy(&v, b.data(), sizeof v);
    return v;
  }

  std::string_view bytes(uint64_t n) {
    if (n > remaining()) {
      fail();
      return {};
    }
    std::string_view out(at_, static_cast<size_t>(n));
    at_ += n;
    return out;
  }
  std::string_view sized_bytes() { return bytes(varint()); }  // a varint length, then the bytes

 private:
  void fail() { ok_ = false, at_ = end_; }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace pipeline
