// The body of a request without its Content-Encoding, within a limit.
#pragma once

#include <initializer_list>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"

namespace agent {

enum class BodyEncoding { kNone, kGzip, kDeflate, kZstd, kSnappy };

// The first encoding of `allowed` with that name; an empty one and "identity" are kNone. kInvalid: another.
pipeline::Result<BodyEncoding> body_encoding(std::string_view header, std::initializer_list<BodyEncoding> allowed);

// A view of `body` (kNone), or of `buffer`, whose content is replaced. kOverLimit, kInvalid.
pipeline::Result<std::string_view> decoded_body(BodyEncoding encoding, std::string_view body, uint64_t limit_bytes,
                                                pipeline::ByteBuffer& buffer);

}  // namespace agent
