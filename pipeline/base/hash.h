// The one hash of the project: XXH3, 64 or 128 bits (library xxhash). Stable across machines and versions, so it may be
// written to disk. Not for secrets. Thread: any.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string_view>

namespace pipeline {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);

struct Hash128 {
  uint64_t high = 0, low = 0;
  auto operator<=>(const Hash128&) const = default;
};
Hash128 hash128(std::string_view bytes);

}  // namespace pipeline

template <>
struct std::hash<pipeline::Hash128> {
  size_t operator()(const pipeline::Hash128& h) const { return h.low; }
};
