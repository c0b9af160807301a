// SpoolOptions: `spool = { ... }` of one [[sink]].
#pragma once

#include <chrono>
#include <cstdint>

namespace agent {

enum class SpoolMode {
  kOff,     // nothing new is spooled; what an earlier run left is sent
  kOutage,  // while the far side does not answer, and until what was spooled is sent
  kAlways,  // every batch, before it is sent
};

enum class SpoolWhenFull { kPause, kDropOldest };

struct SpoolOptions {
  SpoolMode mode = SpoolMode::kOutage;
  uint64_t limit_bytes = uint64_t{1} << 30;  // on disk, per sink
  std::chrono::nanoseconds max_age{0};       // from the closing of a batch; 0: for ever
  SpoolWhenFull when_full = SpoolWhenFull::kPause;
  bool operator==(const SpoolOptions&) const = default;
};

}  // namespace agent
