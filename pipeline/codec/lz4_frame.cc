#include "pipeline/codec/lz4_frame.h"

#include <algorithm>
#include <bit>

#include "pipeline/base/varint.h"
#include "pipeline/codec/size_limit.h"

namespace pipeline {

namespace {

//   frame    u32 magic | u8 flags | u8 block descriptor | u64 content size, if flagged | u32 dictionary, if flagged |
//            u8 header checksum | blocks | u32 0 | u32 checksum of the content, if flagged
//   block    u32 size, top bit: stored as it is | bytes | u32 checksum of the bytes, if flagged
//   bytes    sequences: u8 token | literal length beyond 15 | literals | u16 offset | match length beyond 15
//   A frame of other data, to be passed over: u32 magic of the second kind | u32 size | bytes. Numbers are
//   little-endian.
constexpr uint32_t kMagic = 0x184D2204, kSkippedMagic = 0x184D2A50, kSkippedMask = 0xfffffff0;
constexpr uint8_t kVersionMask = 0xc0, kVersion = 0x40, kBlockChecksums = 0x10, kContentSize = 0x08,
                  kContentChecksum = 0x04, kReserved = 0x02, kDictionary = 0x01;
constexpr uint32_t kStoredBlock = 0x80000000;
constexpr size_t kLeastMatch = 4;

// xxHash32, seed 0: the format's checksum.
uint32_t xxh32(std::string_view bytes) {
  constexpr uint32_t p1 = 2654435761, p2 = 2246822519, p3 = 3266489917, p4 = 668265263, p5 = 374761393;
  ByteReader reader(bytes);
  uint32_t hash = p5;
  if (bytes.size() >= 16) {
    uint32_t lanes[4] = {p1 + p2, p2, 0, 0 - p1};
    while (reader.remaining() >= 16)
      for (uint32_t& lane : lanes) lane = std::rotl(lane + reader.fixed<uint32_t>() * p2, 13) * p1;
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  }
  hash += static_cast<uint32_t>(bytes.size());
  while (reader.remaining() >= 4) hash = std::rotl(hash + reader.fixed<uint32_t>() * p3, 17) * p4;
  while (!reader.at_end()) hash = std::rotl(hash + reader.fixed<uint8_t>() * p5, 11) * p1;
  hash = (hash ^ (hash >> 15)) * p2;
  hash = (hash ^ (hash >> 13)) * p3;
  return hash ^ (hash >> 16);
}

tl::unexpected<Error> invalid(std::string_view what) { return fail(Errc::kInvalid, concat("lz4: ", what)); }
tl::unexpected<Error> cut() { return fail(Errc::kInvalid, "unexpected EOF"); }

class FrameReader {
 public:
  FrameReader(std::string_view body, uint64_t limit, ByteBuffer& out) : reader_(body), limit_(limit), out_(out) {}

  Result<void> frame() {
    const auto magic = reader_.fixed<uint32_t>();
    if (!reader_.ok()) return cut();
    if ((magic & kSkippedMask) == kSkippedMagic) {
      reader_.bytes(reader_.fixed<uint32_t>());
      return reader_.ok() ? Result<void>() : cut();
    }
    if (magic != kMagic) return invalid("bad magic number");
    begin_ = out_.size();
    TRY(header());
    for (;;) {
      const auto size = reader_.fixed<uint32_t>();
      if (!reader_.ok()) return cut();
      if (size == 0) break;
      TRY(block(size));
    }
    return end();
  }
  bool at_end() const { return reader_.at_end(); }

 private:
  Result<void> header() {
    const auto flags = reader_.fixed<uint8_t>(), descriptor = reader_.fixed<uint8_t>();
    if (!reader_.ok()) return cut();
    if ((flags & kVersionMask) != kVersion || (flags & kReserved) != 0) return invalid("unsupported version");
    if ((flags & kDictionary) != 0) return invalid("dictionaries are not supported");
    std::string text{static_cast<char>(flags), static_cast<char>(descriptor)};
    flags_ = flags;
    content_size_ = 0;
    if ((flags & kContentSize) != 0) append_fixed(text, content_size_ = reader_.fixed<uint64_t>());
    const auto sum = reader_.fixed<uint8_t>();
    if (!reader_.ok()) return cut();
    if (sum != ((xxh32(text) >> 8) & 0xff)) return invalid("bad header checksum");
    if (content_size_ > limit_ - std::min<uint64_t>(limit_, out_.size())) return too_large(out_.size() + content_size_);
    const unsigned kind = (descriptor >> 4) & 7;  // 4: 64 KiB, and four times that for each more
    if (kind < 4) return invalid("bad block size");
    most_in_block_ = size_t{1} << (2 * kind + 8);
    return {};
  }

  Result<void> block(uint32_t size) {
    const bool stored = (size & kStoredBlock) != 0;
    const std::string_view bytes = reader_.bytes(size & ~kStoredBlock);
    if (!reader_.ok()) return cut();
    if ((flags_ & kBlockChecksums) != 0) {
      const auto sum = reader_.fixed<uint32_t>();
      if (!reader_.ok()) return cut();
      if (sum != xxh32(bytes)) return invalid("bad block checksum");
    }
    if (!stored) return sequences(bytes);
    if (bytes.size() > most_in_block_) return invalid("block too large");
    TRY(check_limit(bytes.size()));
    out_.append(bytes);
    return {};
  }

  Result<void> sequences(std::string_view bytes) {
    ByteReader block(bytes);
    const size_t end = out_.size() + most_in_block_;
    while (!block.at_end()) {
      const auto token = block.fixed<uint8_t>();
      const size_t literals = length(block, token >> 4);
      const std::string_view text = block.bytes(literals);
      if (!block.ok() || text.size() > end - out_.size()) return invalid("malformed block");
      TRY(check_limit(text.size()));
      out_.append(text);
      if (block.at_end()) return {};  // the last one has no match
      const auto offset = block.fixed<uint16_t>();
      const size_t match = length(block, token & 15) + kLeastMatch;
      if (!block.ok() || offset == 0 || offset > out_.size() - begin_ || match > end - out_.size())
        return invalid("malformed block");
      TRY(check_limit(match));
      char* to = out_.room(match);
      const char* from = to - offset;
      for (size_t i = 0; i < match; ++i) to[i] = from[i];  // they may overlap: what was just written is read again
      out_.advance_to(to + match);
    }
    return invalid("malformed block");  // empty
  }

  size_t length(ByteReader& block, size_t first) const {
    if (first < 15) return first;
    for (uint8_t more = 255; more == 255 && block.ok() && first <= most_in_block_; first += more)
      more = block.fixed<uint8_t>();
    return first;
  }

  Result<void> end() {
    const std::string_view content = out_.view().substr(begin_);
    if ((flags_ & kContentSize) != 0 && content.size() != content_size_) return invalid("bad content size");
    if ((flags_ & kContentChecksum) == 0) return {};
    const auto sum = reader_.fixed<uint32_t>();
    if (!reader_.ok()) return cut();
    return sum == xxh32(content) ? Result<void>() : invalid("bad content checksum");
  }

  Result<void> check_limit(size_t more) const {
    return more > limit_ - out_.size() ? too_large(out_.size() + more) : Result<void>();
  }
  Result<void> too_large(uint64_t size) const { return fail(decompressed_too_large(size, limit_)); }

  ByteReader reader_;
  const uint64_t limit_;
  ByteBuffer& out_;
  size_t begin_ = 0;  // of the frame's content in out_: matches reach back no further
  uint8_t flags_ = 0;
  uint64_t content_size_ = 0;
  size_t most_in_block_ = 0;
};

}  // namespace

Result<void> lz4_decompress_body(std::string_view body, uint64_t limit_bytes, ByteBuffer& out) {
  out.clear();
  FrameReader reader(body, limit_bytes, out);
  do { TRY(reader.frame()); } while (!reader.at_end());
  return {};
}

}  // namespace pipeline
