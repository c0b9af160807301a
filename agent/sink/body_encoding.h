// How a push body travels: compressed, and back. Thread: any.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/sink/sink_options.h"
#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"

namespace agent {

// The fragments joined and compressed; kAuto is snappy.
std::string compress_body(std::span<const std::string_view> fragments, Compression compression);

// kInvalid, kCorrupt: not what compress_body() gave.
pipeline::Result<void> uncompress_body(std::string_view body, Compression compression, pipeline::ByteBuffer& out);

}  // namespace agent
