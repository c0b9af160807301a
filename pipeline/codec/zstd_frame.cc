#include "pipeline/codec/zstd_frame.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <zstd.h>

#include "pipeline/base/invariant.h"
#include "pipeline/codec/size_limit.h"

namespace pipeline {

namespace {

constexpr uint64_t kFirstRoom = 64 * 1024;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

// Made at a thread's first use, freed at its end: about 0.5 MB (level 1; with kSmall 1.2 MB) and 0.2 MB.
ZSTD_CCtx* compressor() {
  thread_local std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  INVARIANT(context != nullptr);
  return context.get();
}
ZSTD_DCtx* decompressor() {
  thread_local std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  INVARIANT(context != nullptr);
  return context.get();
}

using Parameter = std::pair<ZSTD_cParameter, int>;

// Matches of 7 bytes at least: shorter ones cost more than they save in lines that resemble each other. A table of
// 2^13 places stays in the first cache, and a line finds its like a few lines before.
constexpr std::array<Parameter, 4> kFastParameters{
    {{ZSTD_c_compressionLevel, 1}, {ZSTD_c_strategy, ZSTD_fast}, {ZSTD_c_minMatch, 7}, {ZSTD_c_hashLog, 13}}};
// The best of 16 earlier places with the same 6 bytes: finds the line with the same fields. To know the places of all
// bytes costs more than to look at them (8 places: 2 % more at a twentieth less time).
constexpr std::array<Parameter, 6> kSmallParameters{{{ZSTD_c_compressionLevel, 5},
                                                     {ZSTD_c_strategy, ZSTD_greedy},
                                                     {ZSTD_c_minMatch, 6},
                                                     {ZSTD_c_hashLog, 16},
                                                     {ZSTD_c_chainLog, 16},
                                                     {ZSTD_c_searchLog, 4}}};

size_t checked(size_t result) {  // compression fails for lack of memory only
  INVARIANT(!ZSTD_isError(result));
  return result;
}

}  // namespace

void zstd_compress(std::string_view raw, ByteBuffer& out, int level) {
  size_t bound = ZSTD_compressBound(raw.size());
  char* to = out.room(bound);
  out.advance_to(to + checked(ZSTD_compressCCtx(compressor(), to, bound, raw.data(), raw.size(), level)));
}

void zstd_compress(std::string_view raw, std::string& out, int level) {
  thread_local ByteBuffer scratch;
  scratch.clear();
  zstd_compress(raw, scratch, level);
  out.append(scratch.view());
}

void zstd_compress_page(std::string_view raw, std::string& out, ZstdEffort effort) {
  ZSTD_CCtx* context = compressor();
  checked(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters));
  const auto parameters =
      effort == ZstdEffort::kSmall ? std::span<const Parameter>(kSmallParameters) : std::span(kFastParameters);
  for (const auto& [parameter, value] : parameters) checked(ZSTD_CCtx_setParameter(context, parameter, value));
  thread_local ByteBuffer scratch;
  scratch.clear();
  const size_t bound = ZSTD_compressBound(raw.size());
  char* to = scratch.room(bound);
  out.append(to, checked(ZSTD_compress2(context, to, bound, raw.data(), raw.size())));
}

std::string zstd_compress_fragments(std::span<const std::string_view> fragments, int level) {
  uint64_t size = 0;
  for (std::string_view fragment : fragments) size += fragment.size();
  ZSTD_CCtx* context = compressor();
  checked(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters));
  checked(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level));
  checked(ZSTD_CCtx_setPledgedSrcSize(context, size));
  ByteBuffer out(ZSTD_compressBound(size));
  ZSTD_outBuffer to{out.data(), out.capacity(), 0};
  for (std::string_view fragment : fragments) {
    ZSTD_inBuffer from{fragment.data(), fragment.size(), 0};
    while (from.pos < from.size) checked(ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue));
  }
  ZSTD_inBuffer nothing{nullptr, 0, 0};
  INVARIANT(checked(ZSTD_compressStream2(context, &to, &nothing, ZSTD_e_end)) == 0);  // the bound leaves room for all
  return std::string(out.data(), to.pos);
}

Result<void> zstd_decompress_page(std::string_view frame, size_t raw_size, char* to) {
  size_t n = ZSTD_decompressDCtx(decompressor(), to, raw_size, frame.data(), frame.size());
  if (ZSTD_isError(n)) return fail(Errc::kCorrupt, concat("zstd: ", ZSTD_getErrorName(n)));
  if (n != raw_size) return fail(Errc::kCorrupt, concat("zstd: page of ", n, " bytes, expected ", raw_size));
  return {};
}

Result<void> zstd_decompress_page(std::string_view frame, size_t raw_size, ByteBuffer& out) {
  out.clear();
  // What the frame says first: `raw_size` may come from damaged bytes and must not make us allocate.
  auto named = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (named == ZSTD_CONTENTSIZE_ERROR) return fail(Errc::kCorrupt, "zstd: not a frame");
  if (named != ZSTD_CONTENTSIZE_UNKNOWN && named != raw_size) {
    return fail(Errc::kCorrupt, concat("zstd: page of ", uint64_t{named}, " bytes, expected ", raw_size));
  }
  out.resize(raw_size);
  char nothing = 0;
  auto result = zstd_decompress_page(frame, raw_size, raw_size == 0 ? &nothing : out.data());
  if (!result) out.clear();
  return result;
}

Result<void> zstd_decompress_body(std::string_view body, uint64_t limit_bytes, ByteBuffer& out) {
  out.clear();
  auto named = ZSTD_getFrameContentSize(body.data(), body.size());
  if (named == ZSTD_CONTENTSIZE_ERROR) return fail(Errc::kInvalid, "zstd: not a frame");
  if (named != ZSTD_CONTENTSIZE_UNKNOWN && named > limit_bytes) return fail(decompressed_too_large(named, limit_bytes));
  const uint64_t guess = body.size() * 16 + kFirstRoom;  // a short body that names a huge size grows step by step
  out.reserve(std::min<uint64_t>({limit_bytes + 1, guess, named == ZSTD_CONTENTSIZE_UNKNOWN ? guess : named + 1}));
  ZSTD_DCtx* context = decompressor();
  ZSTD_DCtx_reset(context, ZSTD_reset_session_only);
  ZSTD_inBuffer from{body.data(), body.size(), 0};
  size_t wanted = 1;  // 0: a frame is complete
  while (from.pos < from.size || wanted != 0) {
    size_t free = std::max<size_t>(out.capacity() - out.size(), 1);
    if (out.capacity() == out.size()) free = std::max<size_t>(kFirstRoom, out.size());
    free = static_cast<size_t>(std::min<uint64_t>(free, limit_bytes - out.size() + 1));
    ZSTD_outBuffer to{out.room(free), free, 0};
    wanted = ZSTD_decompressStream(context, &to, &from);
    if (ZSTD_isError(wanted)) return fail(Errc::kInvalid, concat("zstd: ", ZSTD_getErrorName(wanted)));
    out.advance_to(out.data() + out.size() + to.pos);
    if (out.size() > limit_bytes) return fail(decompressed_too_large(out.size(), limit_bytes));
    if (wanted != 0 && from.pos == from.size && to.pos < to.size) return fail(Errc::kInvalid, "unexpected EOF");
  }
  return {};
}

}  // namespace pipeline
