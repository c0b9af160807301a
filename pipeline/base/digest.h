// Digests that outside formats ask for by name (library OpenSSL). Not for secrets; the hash of our own formats is
// hash.h. Thread: any.
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

}  // namespace pipeline
