#include "pipeline/codec/snappy_block.h"

#include "pipeline/base/varint.h"
#include "pipeline/codec/size_limit.h"
#include "pipeline/codec/snappy_decoder.h"
#include "pipeline/codec/snappy_encoder.h"

namespace pipeline {

namespace {

// A three-byte copy gives at most 64 bytes, and nothing gives more per byte: a block that claims more is lying, and is
// found out before its output is allocated.
constexpr uint64_t kMaxExpansion = 22;

// A fragment of this size is encoded where it lies; shorter ones are joined first, so that each can look back into the
// ones before.
constexpr size_t kOwnPartBytes = 32 << 10;

}  // namespace

std::string snappy_compress(std::span<const std::string_view> fragments) {
  size_t size = 0;
  for (std::string_view fragment : fragments) size += fragment.size();
  std::string out, joined;
  out.reserve(size / 3 + 64);
  append_varint(out, size);
  SnappyEncoder encoder;
  auto end_joined = [&] {
    encoder.append(out, joined);
    joined.clear();
  };
  for (std::string_view fragment : fragments) {
    bool is_own_part = fragment.size() >= kOwnPartBytes;
    if (is_own_part || joined.size() >= kOwnPartBytes) end_joined();
    if (is_own_part) {
      encoder.append(out, fragment);
    } else {
      joined.append(fragment);
    }
  }
  end_joined();
  return out;
}

std::string snappy_compress(std::string_view bytes) { return snappy_compress(std::span(&bytes, 1)); }

Result<void> snappy_uncompress(std::string_view block, uint64_t limit_bytes, ByteBuffer& out) {
  out.clear();
  ByteReader reader(block);
  const uint64_t size = reader.varint();
  if (!reader.ok() || size > UINT32_MAX) return fail(Errc::kInvalid, "snappy: corrupt input");
  if (size > limit_bytes) return fail(decompressed_too_large(size, limit_bytes));
  if (size > block.size() * kMaxExpansion) return fail(Errc::kInvalid, "snappy: corrupt input");
  out.resize(size);
  char nothing = 0;  // an empty buffer has no address
  if (!decode_snappy_elements(reader.bytes(reader.remaining()), size == 0 ? &nothing : out.data(), size)) {
    out.clear();
    return fail(Errc::kInvalid, "snappy: corrupt input");
  }
  return {};
}

void snappy_compress_page(std::string_view raw, std::string& out) {
  thread_local SnappyEncoder encoder(SnappySearch::kLoose);
  encoder.append(out, raw);
}

Result<void> snappy_uncompress_page(std::string_view elements, size_t raw_size, ByteBuffer& out) {
  out.clear();
  const auto corrupt = [&] { return fail(Errc::kCorrupt, concat("snappy: not a page of ", raw_size, " bytes")); };
  if (raw_size > elements.size() * kMaxExpansion) return corrupt();
  out.resize(raw_size);
  char nothing = 0;
  if (decode_snappy_elements(elements, raw_size == 0 ? &nothing : out.data(), raw_size)) return {};
  out.clear();
  return corrupt();
}

}  // namespace pipeline
