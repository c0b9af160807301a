// Digests that outside formats ask for by name (library OpenSSL). Not for keeping passwords; the hash of our own
// formats is hash.h. Thread: any.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pipeline {

std::array<uint8_t, 16> md5(std::string_view bytes);
std::array<uint8_t, 20> sha1(std::string_view bytes);
std::array<uint8_t, 32> sha256(std::string_view bytes);
std::array<uint8_t, 32> sha3_256(std::string_view bytes);
std::array<uint8_t, 64> sha512(std::string_view bytes);
std::array<uint8_t, 32> hmac_sha256(std::string_view key, std::string_view bytes);  // RFC 2104

// The bytes of a digest as text, for those who go on with them.
template <size_t kSize>
std::string_view digest_bytes(const std::array<uint8_t, kSize>& digest) {
  return {reinterpret_cast<const char*>(digest.data()), kSize};
}

}  // namespace pipeline
