#include "server/ingest/wal_segment.h"

#include "pipeline/base/checksum.h"

namespace server {

using pipeline::File;
using pipeline::Result;

namespace {

constexpr uint64_t kWindowBytes = 1 << 20;
// The longest header: fixed part, batch number, tenant.
constexpr uint64_t kMaxHeaderBytes = kWalFrameHeaderBytes + 32 + UINT16_MAX;

// A window of the file that moves forwards.
class Window {
 public:
  Window(const File& file, uint64_t size) : file_(file), size_(size) {}

  // At least min(length, what the file has left) bytes from `offset` on. The view holds until the next call.
  Result<std::string_view> at(uint64_t offset, uint64_t length) {
    length = std::min(length, size_ - std::min(offset, size_));
    if (offset < start_ || offset + length > start_ + bytes_.size()) {
      TRY_LET(bytes_, file_.read(offset, std::max(length, kWindowBytes)));
      start_ = offset;
    }
    return std::string_view(bytes_).substr(offset - start_);
  }

 private:
  const File& file_;
  const uint64_t size_;
  uint64_t start_ = 0;
  std::string bytes_;
};

}  // namespace

Result<WalSegmentReport> read_wal_segment(pipeline::FileSystem& files, const std::string& path,
                                          const std::function<Result<void>(WalFrame)>& on_frame) {
  TRY_LET(auto file, files.open_to_read(path));
  WalSegmentReport report;
  TRY_LET(report.size, file->size());
  Window window(*file, report.size);
  TRY_LET(std::string_view head, window.at(0, kWalSegmentHeaderBytes));
  auto salt = parse_wal_segment_header(head);
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
      TRY(whole_frame(std::move(header->frame), end));
    }
    at = end;
  }
  return report;
}

}  // namespace server
