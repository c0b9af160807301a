// The body of a push request on the wire: which format and encoding its headers say, and its bytes without encoding.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/base/byte_buffer.h"
#include "pipeline/base/result.h"
#include "server/ingest/push_answer.h"
#include "server/ingest/wal_frame.h"

namespace server {

struct PushBodyKind {
  BodyFormat format = BodyFormat::kProtobuf;
  BodyEncoding encoding = BodyEncoding::kSnappy;
};

// kInvalid, with Loki's texts: a type that is none, or an encoding that is not supported (names are case-sensitive).
//
//   kLoki, kLegacyLoki   `application/json` is JSON, any other media type protobuf in a snappy block; gzip, deflate
//   kLokiOtlp            exactly application/x-protobuf or application/json; gzip, zstd
//   kOtlp                the same, with parameters
//   kElasticsearch, kJsonLines   any type; gzip, deflate, zstd
pipeline::Result<PushBodyKind> push_body_kind(PushProtocol protocol, std::string_view content_type,
                                              std::string_view content_encoding);

// The bytes that the decoder reads: a view of `body`, or of `buffer`, whose content is replaced. kOverLimit, kInvalid.
pipeline::Result<std::string_view> decoded_push_body(PushBodyKind kind, std::string_view body, uint64_t limit_bytes,
                                                     pipeline::ByteBuffer& buffer);

}  // namespace server
