// EntrySums: lines and what they say, in a form that does not depend on their order. Equal sums: every line arrived
// exactly once, unchanged and under its pod.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/hash.h"

namespace bench {

struct EntrySums {
  uint64_t lines = 0, bytes = 0, hash = 0;

  void add(uint64_t pod_hash, std::string_view line) {
    ++lines, bytes += line.size(), hash += pipeline::hash64(line, pod_hash);
  }
  bool operator==(const EntrySums&) const = default;
};

}  // namespace bench
