// Digests that outside formats ask for by name (library OpenSSL). Not for secrets; the hash of our own formats is
// hash.h. Thread: any.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pipeline {

std::array<uint8_t, 16> md5(std::string_view bytes);

}  // namespace pipeline
