// XXH64 (library xxhash), where its very values matter because Loki uses it: its order of streams. Our own hash is
// hash.h.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

namespace pipeline {

uint64_t xxh64(std::string_view bytes);  // seed 0

}  // namespace pipeline
