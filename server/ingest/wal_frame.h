// The bytes of the write-ahead log, version 1. All integers are little-endian.
//
//   segment  data_dir/wal/<number of its first frame, 20 digits>.wal
//     0  8   magic "SKDWWAL" and the version, 0x01
//     8  8   random salt: frames of one segment never pass for frames of another
//    16  ..  frames, one after the other, until the end of the file
//
//   frame
//     0  4   magic "SKWF"
//     4  4   crc32c of the salt, then bytes [8, start of the body)
//     8  4   crc32c of the body
//    12  4   length of the body
//    16  8   number: rises from frame to frame, also across segments; WalOptions::least_number or more
//    24  8   time of receipt, ns since 1970
//    32  2   length of the tenant
//    34  1   format of the body: 1 protobuf PushRequest, 2 JSON
//    35  1   encoding of the body: 0 none, 1 snappy block, 2 gzip, 3 raw deflate; 4 gzip of 1, 5 raw deflate of 1
//    36  1   bit 0: a batch number follows
//    37  3   zero
//    40  32  the batch number, if bit 0: producer (uuid, high half first), epoch, seq
//    ..      tenant
//    ..      body
//
//   levels: what was found in the lines of the frame before (line_levels.h), or nothing
//     0  4   magic "SKWL"
//     4  4   crc32c of the salt, the number of the frame, then bytes [8, end)
//     8  4   length of what follows
//    12  ..  LineLevels
//
// Levels that are damaged are skipped alone: a replay finds them again. So does a program that does not know them.
// A frame whose body is damaged is skipped by its length; one whose header is damaged, by searching the next magic
// whose header sum is right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"
#include "pipeline/base/result.h"
#include "server/ingest/batch_number.h"

namespace server {

enum class BodyFormat : uint8_t {
  kProtobuf = 1,
  kJson = 2,
  // Never in the log: what comes in these forms is logged as kProtobuf.
  kLegacyJson = 128,
  kOtlpProtobuf,
  kOtlpJson,
  kBulk,
  kJsonLines,
};
enum class BodyEncoding : uint8_t {
  kNone = 0,
  kSnappy = 1,
  kGzip = 2,
  kDeflate = 3,
  kGzipSnappy = 4,
  kDeflateSnappy = 5,
  kZstd = 128,  // never in the log, as the next
  kLz4 = 129,
};

// One accepted push, whole and checked: a replay stores every entry of it without checking again.
struct WalFrame {
  uint64_t number = 0;  // given by Wal::append
  pipeline::UnixNanos received = 0;
  BodyFormat format = BodyFormat::kProtobuf;
  BodyEncoding encoding = BodyEncoding::kSnappy;
  std::string tenant;  // at most 65535 bytes
  std::optional<BatchNumber> batch;
  std::string body;         // below 4 GiB
  std::string line_levels;  // or nothing: a replay looks for them
  uint32_t body_crc = 0;
};

inline constexpr size_t kWalSegmentHeaderBytes = 16;
inline constexpr size_t kWalFrameHeaderBytes = 40;
inline constexpr size_t kWalLevelsHeaderBytes = 12;

std::string wal_segment_header(uint64_t salt);
// The salt, or nothing where this is no segment, or none that was ever whole. kInvalid: of a version we do not read.
pipeline::Result<std::optional<uint64_t>> parse_wal_segment_header(std::string_view bytes);

// Everything of a frame before its body, to which `body_crc` must have been set.
void append_wal_frame_header(std::string& out, const WalFrame& frame, uint64_t salt);

struct WalFrameHeader {
  WalFrame frame;  // without its body
  size_t header_bytes = 0;
  size_t body_bytes = 0;
};
// The header at the start of `bytes`; nothing where it is short or damaged.
std::optional<WalFrameHeader> parse_wal_frame_header(std::string_view bytes, uint64_t salt);

// Nothing where the frame has none.
void append_wal_levels(std::string& out, const WalFrame& frame, uint64_t salt);
// The length of what seems to be levels at the start of `bytes`, of which kWalLevelsHeaderBytes suffice; 0: no levels.
uint64_t wal_levels_bytes(std::string_view bytes);
// `bytes` are as long as wal_levels_bytes says. Nothing where they are damaged, or of another frame.
std::optional<std::string_view> parse_wal_levels(std::string_view bytes, uint64_t frame_number, uint64_t salt);

// Where the next whole header with a right sum starts in bytes[from, end), or npos.
size_t find_wal_frame(std::string_view bytes, size_t from, uint64_t salt);

}  // namespace server
