#include "server/ingest/wal_segment.h"

#include "pipeline/base/checksum.h"
#include "pipeline/base/file_window.h"

namespace server {

using pipeline::Result;

namespace {

constexpr uint64_t kWindowBytes = 1 << 20;
// The longest header: fixed part, batch number, tenant.
constexpr uint64_t kMaxHeaderBytes = kWalFrameHeaderBytes + 32 + UINT16_MAX;
}  // namespace

Result<WalSegmentReport> read_wal_segment(pipeline::FileSystem& files, const std::string& path,
                                          const std::function<Result<void>(WalFrame)>& on_frame) {
  TRY_LET(auto file, files.open_to_read(path));
  WalSegmentReport report;
  TRY_LET(report.size, file->size());
  pipeline::FileWindow window(*file, report.size, kWindowBytes);
  TRY_LET(std::string_view head, window.at(0, kWalSegmentHeaderBytes));
  auto parsed = parse_wal_segment_header(head);
  if (!parsed) return pipeline::fail(parsed.error().code, pipeline::concat(path, ": ", parsed.error().message));
  const std::optional<uint64_t> salt = *parsed;
  if (!salt) return report;  // never finished being made, or not ours: nothing in it was acknowledged

  report.good_end = kWalSegmentHeaderBytes;
  uint64_t at = kWalSegmentHeaderBytes;
  auto whole_frame = [&](WalFrame frame, uint64_t end) -> Result<void> {
    if (at > report.good_end) {  // what lies between the last whole frame and this one
      ++report.damaged_places;
      report.damaged_bytes += at - report.good_end;
    }
    report.good_end = end;
    return on_frame(std::move(frame));
  };
  // What of `frame` may lie behind its body, which ends at `end`: then where that ends.
  auto take_levels = [&](WalFrame& frame, uint64_t end) -> Result<uint64_t> {
    TRY_LET(std::string_view bytes, window.at(end, kWalLevelsHeaderBytes));
    const uint64_t length = wal_levels_bytes(bytes);
    if (length == 0 || length > report.size - end) return end;
    TRY_LET(bytes, window.at(end, length));
    auto levels = parse_wal_levels(bytes.substr(0, length), frame.number, *salt);
    if (!levels) return end;
    frame.line_levels = *levels;
    return end + length;
  };
  while (at < report.size) {
    TRY_LET(std::string_view bytes, window.at(at, 2 * kMaxHeaderBytes));
    auto header = parse_wal_frame_header(bytes, *salt);
    if (!header) {
      size_t next = find_wal_frame(bytes, 1, *salt);
      if (next == bytes.npos && at + bytes.size() >= report.size) break;
      at += next != bytes.npos ? next : bytes.size() - kMaxHeaderBytes;  // windows overlap: no header is missed
      continue;
    }
    uint64_t end = at + header->header_bytes + header->body_bytes;
    if (end > report.size) {
      at += 1;
      continue;
    }
    TRY_LET(std::string_view body, window.at(at + header->header_bytes, header->body_bytes));
    body = body.substr(0, header->body_bytes);
    if (body.size() == header->body_bytes && pipeline::crc32c(body) == header->frame.body_crc) {
      header->frame.body = body;
      TRY_LET(end, take_levels(header->frame, end));
      TRY(whole_frame(std::move(header->frame), end));
    }
    at = end;
  }
  return report;
}

}  // namespace server
