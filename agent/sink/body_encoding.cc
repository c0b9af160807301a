#include "agent/sink/body_encoding.h"

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

namespace agent {

namespace {
constexpr uint64_t kLargestBody = 1 << 30;  // ours are at most 64 MiB and one line
}

std::string compress_body(std::span<const std::string_view> fragments, Compression compression) {
  switch (compression) {
    case Compression::kAuto:
    case Compression::kSnappy: break;
    case Compression::kGzip: return pipeline::gzip_compress(fragments);
    case Compression::kZstd: return pipeline::zstd_compress_fragments(fragments);
    case Compression::kIdentity: {
      std::string out;
      for (std::string_view fragment : fragments) out.append(fragment);
      return out;
    }
  }
  return pipeline::snappy_compress(fragments);
}

pipeline::Result<void> uncompress_body(std::string_view body, Compression compression, pipeline::ByteBuffer& out) {
  switch (compression) {
    case Compression::kAuto:
    case Compression::kSnappy: break;
    case Compression::kGzip: return pipeline::gunzip(body, kLargestBody, out);
    case Compression::kZstd: return pipeline::zstd_decompress_body(body, kLargestBody, out);
    case Compression::kIdentity: out.append(body); return {};
  }
  return pipeline::snappy_uncompress(body, kLargestBody, out);
}

}  // namespace agent
