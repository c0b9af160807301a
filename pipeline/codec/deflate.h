// gzip (RFC 1952) and raw deflate (RFC 1951, no zlib header), whole bodies at a time.
//
// Thread:  any.
// Errors:  kOverLimit: `request body too large: decompressed message size too large than max (N vs M)`, N being the
// first
//          size known to be too large; memory never exceeds about twice the limit. kInvalid: `gzip: ...`, `flate: ...`;
//          `unexpected EOF` where bytes are missing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"

namespace pipeline {

// Both replace the content of `out`. gunzip reads several members one after the other.
Result<void> gunzip(std::string_view bytes, uint64_t limit_bytes, ByteBuffer& out);
Result<void> inflate_raw(std::string_view bytes, uint64_t limit_bytes, ByteBuffer& out);

// One member of all fragments in order. `level` 1 (quick) to 9.
std::string gzip_compress(std::span<const std::string_view> fragments, int level = 1);
std::string gzip_compress(std::string_view bytes, int level = 1);

}  // namespace pipeline
