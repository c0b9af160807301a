#include "agent/receiver/body_encoding.h"

#include <string>

#include "pipeline/codec/deflate.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;

namespace {
std::string_view name_of(BodyEncoding encoding) {
  switch (encoding) {
    case BodyEncoding::kNone: return "identity";
    case BodyEncoding::kGzip: return "gzip";
    case BodyEncoding::kDeflate: return "deflate";
    case BodyEncoding::kZstd: return "zstd";
    case BodyEncoding::kSnappy: return "snappy";
  }
  return "";
}
}  // namespace

Result<BodyEncoding> body_encoding(std::string_view header, std::initializer_list<BodyEncoding> allowed) {
  if (header.empty() || header == name_of(BodyEncoding::kNone)) return BodyEncoding::kNone;
  std::string names;
  for (BodyEncoding encoding : allowed) {
    if (header == name_of(encoding)) return encoding;
    names += concat(names.empty() ? "" : ", ", name_of(encoding));
  }
  return fail(Errc::kInvalid, concat("Content-Encoding \"", header.substr(0, 40), "\" not supported; use ", names));
}

Result<std::string_view> decoded_body(BodyEncoding encoding, std::string_view body, uint64_t limit_bytes,
                                      pipeline::ByteBuffer& buffer) {
  switch (encoding) {
    case BodyEncoding::kNone: return body;
    case BodyEncoding::kGzip: TRY(pipeline::gunzip(body, limit_bytes, buffer)); break;
    case BodyEncoding::kDeflate: TRY(pipeline::inflate_raw(body, limit_bytes, buffer)); break;
    case BodyEncoding::kZstd: TRY(pipeline::zstd_decompress_body(body, limit_bytes, buffer)); break;
    case BodyEncoding::kSnappy: TRY(pipeline::snappy_uncompress(body, limit_bytes, buffer)); break;
  }
  return buffer.view();
}

}  // namespace agent
