// Zstandard frames: pages of the store, and bodies between our own programs. Level 1 where nothing else is said: faster
// than level 3 at equal size on logs.
//
// Contexts are kept per thread and reused, so a call allocates nothing but its output.
// Thread:  any.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"

namespace pipeline {

inline constexpr int kZstdLevel = 1;

// Appends one frame, which names its raw size and has no checksum of its own (pages and frames of ours carry CRC-32C).
void zstd_compress(std::string_view raw, ByteBuffer& out, int level = kZstdLevel);
void zstd_compress(std::string_view raw, std::string& out, int level = kZstdLevel);
// One frame of all fragments in order, as if they were joined.
std::string zstd_compress_fragments(std::span<const std::string_view> fragments, int level = kZstdLevel);

// How much a page of the store may cost. 256 KiB of logs, half JSON and half system logs (AMD EPYC of the Zen 4 class);
// level 1 writes 0.142 of the raw bytes at 600 MB/s. Decompressing is as fast for all of them.
enum class ZstdEffort : uint8_t {
  kFast,   // 0.141 at 690 MB/s: what stays, where more looking finds little
  kSmall,  // 0.133 at 260 MB/s: what stays, where lines have fields that come and go
};
// Appends one frame, as zstd_compress().
void zstd_compress_page(std::string_view raw, std::string& out, ZstdEffort effort);

// A page whose raw size is known from elsewhere. `out` is replaced. kCorrupt: not a frame, or not of exactly
// `raw_size`.
Result<void> zstd_decompress_page(std::string_view frame, size_t raw_size, ByteBuffer& out);
// The same into memory of the caller with room for `raw_size` bytes.
Result<void> zstd_decompress_page(std::string_view frame, size_t raw_size, char* to);

// A body from outside (one or more frames). The size that a frame names is checked before anything is allocated, and
// growth is bounded where it names none. `out` is replaced.
// kOverLimit: `request body too large: decompressed message size too large than max (N vs M)`. kInvalid: `zstd: ...`.
Result<void> zstd_decompress_body(std::string_view body, uint64_t limit_bytes, ByteBuffer& out);

}  // namespace pipeline
