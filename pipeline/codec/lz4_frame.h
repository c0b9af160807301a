// LZ4 frames: bodies from outside, as OpenTelemetry's exporters send them with `compression: lz4`. Reading alone.
//
// Thread:  any.
// Errors:  kOverLimit: `request body too large: decompressed message size too large than max (N vs M)`, before more
// than
//          that is held. kInvalid: `lz4: ...`. No bytes whatsoever do harm.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"

namespace pipeline {

// One or more frames; `out` is replaced. Checksums are verified where the frame has them.
Result<void> lz4_decompress_body(std::string_view body, uint64_t limit_bytes, ByteBuffer& out);

}  // namespace pipeline
