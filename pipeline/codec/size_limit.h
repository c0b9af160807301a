// The one text for bodies that grow beyond their limit while they are decompressed: Loki's. For codec/ only.
#pragma once

#include <cstdint>

#include "pipeline/base/result.h"

namespace pipeline {

inline Error decompressed_too_large(uint64_t size, uint64_t limit) {
  return {Errc::kOverLimit,
          concat("request body too large: decompressed message size too large than max (", size, " vs ", limit, ")")};
}

}  // namespace pipeline
