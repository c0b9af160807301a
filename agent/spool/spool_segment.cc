#include "agent/spool/spool_segment.h"

#include <algorithm>

#include "pipeline/base/checksum.h"
#include "pipeline/base/file_window.h"

namespace agent {

using pipeline::Errc;
using pipeline::fail;
using pipeline::File;
using pipeline::Result;

namespace {

// Small frames are found by reading everything, large ones by jumping from header to header.
constexpr uint64_t kWindowBytes = 16 << 10;
constexpr uint64_t kUsualHeader = 256;

SpoolEntry entry_of(const SpoolHeader& header, uint64_t offset) {
  return {offset,
          static_cast<uint32_t>(header.header_bytes + header.body_bytes),
          header.frame.number,
          header.frame.closed,
          static_cast<uint32_t>(header.frame.entries),
          static_cast<uint32_t>(header.frame.line_bytes),
          header.frame.origins};
}

bool fits(const std::vector<SpoolEntry>& entries, uint64_t end) {
  uint64_t at = kSpoolMagic.size();
  for (const SpoolEntry& entry : entries) {
    if (entry.offset < at || entry.bytes < kSpoolFrameHeaderBytesV1) return false;
    at = entry.offset + entry.bytes;
  }
  return at <= end;
}

}  // namespace

Result<SpoolSegmentIndex> read_spool_index(const File& file, uint64_t salt) {
  TRY_LET(uint64_t size, file.size());
  if (size < kSpoolMagic.size() + kSpoolIndexEndBytes) return scan_spool_segment(file, salt);
  TRY_LET(std::string end_bytes, file.read(size - kSpoolIndexEndBytes, kSpoolIndexEndBytes));
  auto end = parse_spool_index_end(end_bytes, salt);
  if (!end || end->offset > size - kSpoolIndexEndBytes) return scan_spool_segment(file, salt);
  TRY_LET(std::string bytes, file.read(end->offset, size - kSpoolIndexEndBytes - end->offset));
  auto entries = parse_spool_index(bytes, salt);
  if (!entries || entries->size() != end->entries || !fits(*entries, end->offset))
    return scan_spool_segment(file, salt);
  return SpoolSegmentIndex{std::move(*entries), true, size, end->offset, 0, 0};
}

Result<SpoolSegmentIndex> scan_spool_segment(const File& file, uint64_t salt) {
  SpoolSegmentIndex index;
  TRY_LET(index.size, file.size());
  pipeline::FileWindow window(file, index.size, kWindowBytes);
  index.good_end = std::min<uint64_t>(kSpoolMagic.size(), index.size);
  uint64_t at = index.good_end;
  while (at < index.size) {
    TRY_LET(std::string_view bytes, window.at(at, kUsualHeader));
    auto header = parse_spool_header(bytes, salt);
    if (!header && at == index.good_end && begins_spool_index(bytes)) break;
    if (!header) {  // damaged, or with a long tenant, or of many files
      TRY_LET(bytes, window.at(at, 2 * kLongestSpoolFrameHeader));
      header = parse_spool_header(bytes, salt);
    }
    if (header && at + header->header_bytes + header->body_bytes <= index.size) {
      if (at > index.good_end) {  // what lies between the last frame and this one
        ++index.damaged_places;
        index.damaged_bytes += at - index.good_end;
      }
      index.entries.push_back(entry_of(*header, at));
      at = index.good_end = at + header->header_bytes + header->body_bytes;
      continue;
    }
    size_t next = find_spool_frame(bytes, 1, salt);
    if (next == bytes.npos && at + bytes.size() >= index.size) break;
    if (next == bytes.npos && bytes.size() <= kLongestSpoolFrameHeader) break;  // the file became shorter
    at += next != bytes.npos ? next : bytes.size() - kLongestSpoolFrameHeader;  // windows overlap: none is missed
  }
  return index;
}

Result<SpoolFrame> read_spool_frame(const File& file, const SpoolEntry& entry, uint64_t salt) {
  TRY_LET(std::string head,
          file.read(entry.offset, std::min<uint64_t>(entry.bytes, kUsualHeader + entry.origins.size())));
  auto header = parse_spool_header(head, salt);
  if (!header) {  // damaged, or with a long tenant
    TRY_LET(head, file.read(entry.offset, std::min<uint64_t>(entry.bytes, kLongestSpoolFrameHeader)));
    header = parse_spool_header(head, salt);
  }
  if (!header || header->header_bytes + header->body_bytes != entry.bytes)
    return fail(Errc::kCorrupt, pipeline::concat("the header of the frame at ", entry.offset, " is damaged"));
  TRY_LET(std::string body, file.read(entry.offset + header->header_bytes, header->body_bytes));
  if (body.size() != header->body_bytes || pipeline::crc32c(body) != header->body_crc)
    return fail(Errc::kCorrupt, pipeline::concat("the body of the frame at ", entry.offset, " is damaged"));
  header->frame.body = std::make_shared<const std::string>(std::move(body));
  return std::move(header->frame);
}

Result<std::unordered_set<uint64_t>> read_spool_marks(pipeline::FileSystem& files, const std::string& path,
                                                      uint64_t salt) {
  auto file = files.open_to_read(path);
  if (!file) {
    if (file.error().code == Errc::kNotFound) return std::unordered_set<uint64_t>();
    return fail(std::move(file).error());
  }
  TRY_LET(uint64_t size, (*file)->size());
  TRY_LET(std::string bytes, (*file)->read(0, size));
  std::vector<uint64_t> offsets = parse_spool_marks(bytes, salt);
  return std::unordered_set<uint64_t>(offsets.begin(), offsets.end());
}

}  // namespace agent
