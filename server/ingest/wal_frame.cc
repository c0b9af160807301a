#include "server/ingest/wal_frame.h"

#include "pipeline/base/checksum.h"
#include "pipeline/base/invariant.h"
#include "pipeline/base/varint.h"

namespace server {

using pipeline::append_fixed;
using pipeline::ByteReader;
using pipeline::crc32c;

namespace {

constexpr std::string_view kSegmentMagic = "SKDWWAL";
constexpr char kVersion = 1;
constexpr std::string_view kFrameMagic = "SKWF";
constexpr std::string_view kLevelsMagic = "SKWL";
constexpr size_t kSumEnd = 8;  // of a frame and of levels: sums cover what comes behind
constexpr uint8_t kHasBatchNumber = 1;

uint32_t header_sum(std::string_view header_after_sum, uint64_t salt) {
  return crc32c(header_after_sum, crc32c({reinterpret_cast<const char*>(&salt), sizeof salt}));
}

uint32_t levels_sum(std::string_view levels_after_sum, uint64_t frame_number, uint64_t salt) {
  const uint64_t whose[] = {salt, frame_number};
  return crc32c(levels_after_sum, crc32c({reinterpret_cast<const char*>(whose), sizeof whose}));
}

}  // namespace

std::string wal_segment_header(uint64_t salt) {
  std::string out(kSegmentMagic);
  out += kVersion;
  append_fixed(out, salt);
  return out;
}

pipeline::Result<std::optional<uint64_t>> parse_wal_segment_header(std::string_view bytes) {
  if (bytes.size() < kWalSegmentHeaderBytes || !bytes.starts_with(kSegmentMagic)) return std::nullopt;
  const char version = bytes[kSegmentMagic.size()];
  if (version != kVersion)
    return pipeline::fail(pipeline::Errc::kInvalid,
                          pipeline::concat("made by another version of this program: format ", int{version}));
  return ByteReader(bytes.substr(kSegmentMagic.size() + 1)).fixed<uint64_t>();
}

void append_wal_frame_header(std::string& out, const WalFrame& frame, uint64_t salt) {
  INVARIANT(frame.format <= BodyFormat::kJson && frame.encoding <= BodyEncoding::kDeflateSnappy);
  INVARIANT(frame.tenant.size() <= UINT16_MAX && frame.body.size() <= UINT32_MAX);
  size_t start = out.size();
  out += kFrameMagic;
  append_fixed<uint32_t>(out, 0);  // the sum, below
  append_fixed(out, frame.body_crc);
  append_fixed(out, static_cast<uint32_t>(frame.body.size()));
  append_fixed(out, frame.number);
  append_fixed(out, frame.received);
  append_fixed(out, static_cast<uint16_t>(frame.tenant.size()));
  append_fixed(out, static_cast<uint8_t>(frame.format));
  append_fixed(out, static_cast<uint8_t>(frame.encoding));
  append_fixed(out, static_cast<uint32_t>(frame.batch ? kHasBatchNumber : 0));
  if (frame.batch) {
    append_fixed(out, frame.batch->producer.high);
    append_fixed(out, frame.batch->producer.low);
    append_fixed(out, frame.batch->epoch);
    append_fixed(out, frame.batch->seq);
  }
  out += frame.tenant;
  uint32_t sum = header_sum(std::string_view(out).substr(start + kSumEnd), salt);
  std::memcpy(out.data() + start + 4, &sum, sizeof sum);
}

std::optional<WalFrameHeader> parse_wal_frame_header(std::string_view bytes, uint64_t salt) {
  if (!bytes.starts_with(kFrameMagic)) return std::nullopt;
  ByteReader in(bytes.substr(kFrameMagic.size()));
  auto sum = in.fixed<uint32_t>();
  WalFrameHeader out;
  out.frame.body_crc = in.fixed<uint32_t>();
  out.body_bytes = in.fixed<uint32_t>();
  out.frame.number = in.fixed<uint64_t>();
  out.frame.received = in.fixed<int64_t>();
  auto tenant_bytes = in.fixed<uint16_t>();
  out.frame.format = static_cast<BodyFormat>(in.fixed<uint8_t>());
  out.frame.encoding = static_cast<BodyEncoding>(in.fixed<uint8_t>());
  if (in.fixed<uint32_t>() & kHasBatchNumber) {
    BatchNumber number;
    number.producer.high = in.fixed<uint64_t>();
    number.producer.low = in.fixed<uint64_t>();
    number.epoch = in.fixed<uint64_t>();
    number.seq = in.fixed<uint64_t>();
    out.frame.batch = number;
  }
  out.frame.tenant = in.bytes(tenant_bytes);
  if (!in.ok()) return std::nullopt;
  out.header_bytes = bytes.size() - in.remaining();
  if (header_sum(bytes.substr(kSumEnd, out.header_bytes - kSumEnd), salt) != sum) return std::nullopt;
  return out;
}

void append_wal_levels(std::string& out, const WalFrame& frame, uint64_t salt) {
  if (frame.line_levels.empty()) return;
  const size_t start = out.size();
  out += kLevelsMagic;
  append_fixed<uint32_t>(out, 0);  // the sum, below
  append_fixed(out, static_cast<uint32_t>(frame.line_levels.size()));
  out += frame.line_levels;
  const uint32_t sum = levels_sum(std::string_view(out).substr(start + kSumEnd), frame.number, salt);
  std::memcpy(out.data() + start + kLevelsMagic.size(), &sum, sizeof sum);
}

uint64_t wal_levels_bytes(std::string_view bytes) {
  if (bytes.size() < kWalLevelsHeaderBytes || !bytes.starts_with(kLevelsMagic)) return 0;
  return kWalLevelsHeaderBytes + ByteReader(bytes.substr(kSumEnd)).fixed<uint32_t>();
}

std::optional<std::string_view> parse_wal_levels(std::string_view bytes, uint64_t frame_number, uint64_t salt) {
  if (bytes.size() < kWalLevelsHeaderBytes || wal_levels_bytes(bytes) != bytes.size()) return std::nullopt;
  const auto sum = ByteReader(bytes.substr(kLevelsMagic.size())).fixed<uint32_t>();
  if (levels_sum(bytes.substr(kSumEnd), frame_number, salt) != sum) return std::nullopt;
  return bytes.substr(kWalLevelsHeaderBytes);
}

size_t find_wal_frame(std::string_view bytes, size_t from, uint64_t salt) {
  for (size_t at = from; (at = bytes.find(kFrameMagic, at)) != bytes.npos; ++at)
    if (parse_wal_frame_header(bytes.substr(at), salt)) return at;
  return bytes.npos;
}

}  // namespace server
