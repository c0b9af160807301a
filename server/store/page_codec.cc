#include "server/store/page_codec.h"

#include "pipeline/base/varint.h"
#include "pipeline/codec/snappy_block.h"
#include "pipeline/codec/zstd_frame.h"
#include "server/store/packed_integers.h"

namespace server {

using pipeline::ByteReader;
using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

namespace {

void append_page_header(std::string& out, PageEncoding encoding, PageCodec codec, size_t raw_length, uint32_t rows) {
  out += static_cast<char>(encoding);
  out += static_cast<char>(codec);
  pipeline::append_fixed<uint16_t>(out, 0);
  pipeline::append_fixed<uint32_t>(out, static_cast<uint32_t>(raw_length));
  pipeline::append_fixed<uint32_t>(out, rows);
}

tl::unexpected<pipeline::Error> malformed(std::string_view what) {
  return fail(Errc::kCorrupt, concat("malformed ", what));
}

}  // namespace

void append_page(std::string& out, PageEncoding encoding, std::string_view raw, uint32_t rows,
                 std::optional<PageEffort> effort) {
  size_t begin = out.size();
  if (effort) {
    using pipeline::ZstdEffort;
    if (*effort == PageEffort::kLeast) {
      append_page_header(out, encoding, PageCodec::kSnappy, raw.size(), rows);
      pipeline::snappy_compress_page(raw, out);
    } else {
      append_page_header(out, encoding, PageCodec::kZstd, raw.size(), rows);
      pipeline::zstd_compress_page(raw, out, *effort == PageEffort::kFast ? ZstdEffort::kFast : ZstdEffort::kSmall);
    }
    if (out.size() - begin - kPageHeaderBytes < raw.size()) return;
    out.resize(begin);
  }
  append_page_header(out, encoding, PageCodec::kRaw, raw.size(), rows);
  out += raw;
}

Result<std::string_view> decode_page(std::string_view stored, PageEncoding encoding, uint32_t rows, bool padded,
                                     pipeline::ByteBuffer& buffer) {
  ByteReader reader(stored);
  auto stored_encoding = reader.fixed<uint8_t>();
  auto codec = reader.fixed<uint8_t>();
  reader.fixed<uint16_t>();
  auto raw_length = reader.fixed<uint32_t>();
  auto stored_rows = reader.fixed<uint32_t>();
  if (!reader.ok() || stored_rows != rows || raw_length > kMaxPageBytes) return malformed("page header");
  if (stored_encoding != static_cast<uint8_t>(encoding)) {
    return fail(Errc::kInvalid, concat("unknown page encoding ", unsigned{stored_encoding}));
  }
  std::string_view bytes = reader.bytes(reader.remaining());
  switch (static_cast<PageCodec>(codec)) {
    case PageCodec::kRaw:
      if (bytes.size() != raw_length) return malformed("raw page");
      if (!padded) return bytes;
      buffer.clear();
      buffer.reserve(raw_length + kTextPadding);
      buffer.append(bytes);
      break;
    case PageCodec::kZstd:
      buffer.reserve(raw_length + kTextPadding);
      TRY(pipeline::zstd_decompress_page(bytes, raw_length, buffer));
      break;
    case PageCodec::kSnappy:
      buffer.reserve(raw_length + kTextPadding);
      TRY(pipeline::snappy_uncompress_page(bytes, raw_length, buffer));
      break;
    default: return fail(Errc::kInvalid, concat("unknown page codec ", unsigned{codec}));
  }
  return buffer.view();
}

Result<void> decode_times(std::string_view raw, std::span<const RunTimes> runs, std::vector<UnixNanos>& times) {
  size_t rows = 0;
  for (const RunTimes& run : runs) rows += run.rows;
  times.resize(rows);
  PackedReader reader(raw);
  uint64_t steps[kPackedBlock];
  size_t left = rows - runs.size();  // steps in blocks not yet read
  size_t at = 0, have = 0;           // steps[at, have) are not yet used
  UnixNanos* out = times.data();
  bool falling = false;
  for (const RunTimes& run : runs) {
    auto time = static_cast<uint64_t>(run.first);
    *out++ = run.first;
    for (size_t need = run.rows - 1; need > 0;) {
      if (at == have) {
        have = std::min(left, kPackedBlock);
        left -= have;
        at = 0;
        if (!reader.block(steps, have)) return malformed("times");
      }
      size_t n = std::min(need, have - at);
      for (size_t i = 0; i < n; ++i) {
        auto before = static_cast<UnixNanos>(time);
        time += steps[at + i];
        out[i] = static_cast<UnixNanos>(time);
        falling |= out[i] < before;
      }
      out += n, at += n, need -= n;
    }
    if (static_cast<UnixNanos>(time) != run.last) return malformed("times: a run does not end at its last time");
  }
  if (falling || !reader.rest().empty()) return malformed("times");
  return {};
}

Result<void> decode_lengths(std::string_view raw, uint32_t rows, uint32_t text_bytes, std::vector<uint32_t>& offsets) {
  offsets.resize(size_t{rows} + 1);
  offsets[0] = 0;
  PackedReader reader(raw);
  uint64_t lengths[kPackedBlock];
  uint64_t offset = 0, all = 0;
  for (size_t row = 0; row < rows;) {
    size_t n = std::min(rows - row, kPackedBlock);
    if (!reader.block(lengths, n)) return malformed("lengths");
    for (size_t i = 0; i < n; ++i) {
      offset += lengths[i];
      all |= lengths[i];
      offsets[++row] = static_cast<uint32_t>(offset);
    }
  }
  if (all > text_bytes * uint64_t{2} || offset != text_bytes || !reader.rest().empty()) return malformed("lengths");
  return {};
}

uint32_t MetadataKeys::key_of(std::string_view name) {
  for (uint32_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return i;
  }
  names_.emplace_back(name);
  return static_cast<uint32_t>(names_.size() - 1);
}

}  // namespace server
