// The frames of wal_v1.wal; with their levels, of wal_levels_v1.wal.
#pragma once

#include <vector>

#include "pipeline/base/checksum.h"
#include "server/ingest/wal_frame.h"

namespace golden {

inline std::vector<server::WalFrame> frames() {
  using server::BodyEncoding;
  using server::BodyFormat;
  std::vector<server::WalFrame> out(3);
  out[0].tenant = "fake";
  out[0].received = 1'793'527'200'000'000'001;
  out[0].body = R"({"streams":[{"stream":{"app":"golden"},"values":[["1793527200000000000","a line"]]}]})";
  out[0].format = BodyFormat::kJson;
  out[0].encoding = BodyEncoding::kNone;
  out[1].tenant = "team-a";
  out[1].received = -1;
  out[1].batch = server::BatchNumber{{0x6f1c0c1e5a554f0e, 0x9a533d5f3a3a9c11}, 7, 4211};
  // One stream {app="golden"} with one entry, protobuf in a snappy block that is one literal.
  out[1].body = std::string("\x1c\x6c\x0a\x1a\x0a\x0e{app=\"golden\"}\x12\x08\x0a\x00\x12\x04line", 30);
  out[2].tenant = "";
  out[2].body = "";
  out[2].encoding = BodyEncoding::kDeflateSnappy;
  for (uint64_t i = 0; i < out.size(); ++i) {
    out[i].number = 40 + i;
    out[i].body_crc = pipeline::crc32c(out[i].body);
  }
  return out;
}

// As a server that detects levels wrote them.
inline std::vector<server::WalFrame> frames_with_levels() {
  std::vector<server::WalFrame> out = frames();
  out[0].line_levels = "\x02";  // info, which "a line" does not say
  out[1].line_levels = "\x01";  // unknown
  return out;
}

}  // namespace golden
