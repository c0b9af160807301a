// The bytes of the spool, version 2. All integers are little-endian. Spools of version 1 are read as well: what that
// has differently stands in [].
//
//   segment  data_dir/spool/SINK/<number, 20 digits>-<salt, 16 hex digits>.spool
//     0  8   magic "SKDWSPL" and the version, 0x02 [0x01]
//     8  ..  frames, one after the other
//        ..  once the segment is sealed: its index, and nothing after it
//
//   frame: one batch
//     0  4   magic "SKSG" ["SKSF"]
//     4  4   crc32c of the salt, then bytes [8, start of the body)
//     8  4   crc32c of the body
//    12  4   length of the body
//    16  8   epoch of the batch
//    24  8   seq of the batch
//    32  8   when the batch was closed, ns since 1970
//    40  4   entries
//    44  4   bytes of their lines (at most 4 GiB - 1)
//    48  1   encoding of the body: 0 none, 1 snappy block, 2 gzip, 3 zstd
//    49  1   length of the producer
//    50  2   length of the tenant
//    52  2   length of the origins [absent]
//    54  ..  producer: the uuid under which the far side knows the number
//        ..  tenant
//        ..  origins: the files it was made of (spool_origins.h) [absent]
//        ..  body: a push request
//
//   index
//     0  4   magic "SKSI"
//     4  4   crc32c of the salt, then the entries
//     8  ..  per frame: offset (8), length of the frame (4), bytes of its lines (4), epoch (8), seq (8), closed (8),
//            entries (4), length of its origins (4) [zero]; its origins
//        8   offset of the index
//        4   number of its entries
//        4   crc32c of the salt, then the 12 bytes before this
//
//   marks  <the segment's name>.done: per frame that is sent its offset (8), and crc32c of salt and offset (4). Of
//   those
//          that are dropped or refused the mark is their loss (spool_losses.h) [a mark, too].
//
// The salt, random and in the name, keeps frames that a log line quotes from passing for frames of the segment. A
// frame whose body is damaged is skipped by its length, one whose header is damaged by the index, or by searching the
// next magic whose header sum is right. A mark that is lost or damaged has the frame sent again, under its old number.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "pipeline/base/clock.h"

namespace agent {

enum class SpoolEncoding : uint8_t { kNone = 0, kSnappy = 1, kGzip = 2, kZstd = 3 };

// One batch, ready to send.
struct SpoolFrame {
  BatchNumber number;
  std::string producer;  // at most 255 bytes
  std::string tenant;    // at most 65535 bytes
  SpoolEncoding encoding = SpoolEncoding::kSnappy;
  pipeline::UnixNanos closed = 0;
  uint64_t entries = 0, line_bytes = 0;
  std::string origins = {};                 // as encode_origins() gives them; at most 65535 bytes; empty: not known
  std::shared_ptr<const std::string> body;  // below 4 GiB - 128 KiB
};

// What an index says of a frame.
struct SpoolEntry {
  uint64_t offset = 0;
  uint32_t bytes = 0;  // of header and body
  BatchNumber number;
  pipeline::UnixNanos closed = 0;
  uint32_t entries = 0, line_bytes = 0;
  std::string origins = {};
};

inline constexpr std::string_view kSpoolMagic = "SKDWSPL\x02", kSpoolMagicV1 = "SKDWSPL\x01";
inline constexpr size_t kSpoolFrameHeaderBytes = 54;
inline constexpr size_t kSpoolFrameHeaderBytesV1 = 52;
inline constexpr size_t kMostOriginsBytes = UINT16_MAX;
inline constexpr size_t kLongestSpoolFrameHeader = kSpoolFrameHeaderBytes + UINT8_MAX + UINT16_MAX + kMostOriginsBytes;
inline constexpr size_t kSpoolIndexEntryBytes = 48;  // without origins
inline constexpr size_t kSpoolIndexEndBytes = 16;
inline constexpr size_t kSpoolMarkBytes = 12;

struct SpoolName {
  uint64_t number = 0, salt = 0;
  std::string text() const;
  static std::optional<SpoolName> parse(std::string_view text);
};

// Everything of a frame before its body.
void append_spool_header(std::string& out, const SpoolFrame& frame, uint64_t salt);
SpoolEntry spool_entry(const SpoolFrame& frame, uint64_t offset);

struct SpoolHeader {
  SpoolFrame frame;  // without its body
  uint32_t body_crc = 0;
  size_t header_bytes = 0, body_bytes = 0;
};
// The header at the start of `bytes`; nothing where it is short or damaged.
std::optional<SpoolHeader> parse_spool_header(std::string_view bytes, uint64_t salt);

// Where the next whole header with a right sum starts in bytes[from, end), or npos.
size_t find_spool_frame(std::string_view bytes, size_t from, uint64_t salt);

std::string spool_index(const std::vector<SpoolEntry>& entries, uint64_t offset, uint64_t salt);
struct SpoolIndexEnd {
  uint64_t offset = 0;
  uint32_t entries = 0;
};
// The last bytes of a sealed segment.
std::optional<SpoolIndexEnd> parse_spool_index_end(std::string_view bytes, uint64_t salt);
// `bytes`: of the index without its end.
std::optional<std::vector<SpoolEntry>> parse_spool_index(std::string_view bytes, uint64_t salt);
bool begins_spool_index(std::string_view bytes);

void append_spool_mark(std::string& out, uint64_t offset, uint64_t salt);
// The offsets of all whole marks.
std::vector<uint64_t> parse_spool_marks(std::string_view bytes, uint64_t salt);

}  // namespace agent
