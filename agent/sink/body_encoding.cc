#include "agent/sink/body_encoding.h"

#include <vector>

#include "pipeline/base/varint.h"
#include "pipeline/codec/deflate.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

namespace agent {

namespace {
constexpr uint64_t kLargestBody = 1 << 30;  // ours are at most 64 MiB and one line

// Loki takes gzip around a snappy block, as protobuf is snappy there in any case. The block is one literal, so that
// gzip sees the bytes themselves: varint of all bytes | 0xfc (a literal with a length of four bytes) | length - 1 |
// bytes.
std::string gzip_of_snappy(std::span<const std::string_view> fragments) {
  uint64_t bytes = 0;
  for (std::string_view fragment : fragments) bytes += fragment.size();
  std::string head;
  pipeline::append_varint(head, bytes);
  if (bytes > 0) {
    head += '\xfc';
    pipeline::append_fixed(head, static_cast<uint32_t>(bytes - 1));
  }
  std::vector<std::string_view> block{head};
  block.insert(block.end(), fragments.begin(), fragments.end());
  return pipeline::gzip_compress(block);
}
}  // namespace

std::string compress_body(std::span<const std::string_view> fragments, Compression compression) {
  switch (compression) {
    case Compression::kAuto:
    case Compression::kSnappy: break;
    case Compression::kGzip: return gzip_of_snappy(fragments);
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
    case Compression::kGzip: {
      pipeline::ByteBuffer block;
      TRY(pipeline::gunzip(body, kLargestBody, block));
      return pipeline::snappy_uncompress(block.view(), kLargestBody, out);
    }
    case Compression::kZstd: return pipeline::zstd_decompress_body(body, kLargestBody, out);
    case Compression::kIdentity: out.append(body); return {};
  }
  return pipeline::snappy_uncompress(body, kLargestBody, out);
}

}  // namespace agent
