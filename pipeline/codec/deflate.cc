#include "pipeline/codec/deflate.h"

#include <algorithm>
#include <limits>
#include <zlib.h>

#include "pipeline/base/invariant.h"
#include "pipeline/codec/size_limit.h"

namespace pipeline {

namespace {

constexpr int kRawWindow = -15, kGzipWindow = 15 + 16;  // zlib's way to say which wrapper
constexpr uint64_t kMaxStep = 1u << 30;                 // zlib counts in 32 bits; also bytes of input per call
constexpr size_t kFirstRoom = 64 * 1024;

struct InflateStream {
  z_stream z{};
  explicit InflateStream(int window) { INVARIANT(inflateInit2(&z, window) == Z_OK); }  // fails for lack of memory only
  ~InflateStream() { inflateEnd(&z); }
};

void give_input(z_stream& z, std::string_view& rest) {
  if (z.avail_in != 0) return;
  size_t n = static_cast<size_t>(std::min<uint64_t>(rest.size(), kMaxStep));
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
  z.avail_in = static_cast<uInt>(n);
  rest.remove_prefix(n);
}

// One step into the free room of `out`, which may end one byte beyond the limit: that byte proves that it is too much.
int inflate_step(z_stream& z, uint64_t limit, ByteBuffer& out) {
  size_t free = out.capacity() - out.size();
  if (free == 0) free = std::max(kFirstRoom, out.size());
  free = static_cast<size_t>(std::min<uint64_t>({free, limit - out.size() + 1, kMaxStep}));
  char* to = out.room(free);
  z.next_out = reinterpret_cast<Bytef*>(to);
  z.avail_out = static_cast<uInt>(free);
  int code = inflate(&z, Z_NO_FLUSH);
  out.advance_to(to + (free - z.avail_out));
  return code;
}

Result<void> inflate_all(std::string_view bytes, int window, std::string_view name, uint64_t limit, ByteBuffer& out) {
  out.clear();
  limit = std::min(limit, std::numeric_limits<uint64_t>::max() - 1);
  out.reserve(static_cast<size_t>(std::min<uint64_t>(limit + 1, bytes.size() * 4 + kFirstRoom)));
  InflateStream stream(window);
  z_stream& z = stream.z;
  while (true) {
    give_input(z, bytes);
    int code = inflate_step(z, limit, out);
    if (out.size() > limit) return fail(decompressed_too_large(out.size(), limit));
    if (code == Z_STREAM_END) {
      if ((z.avail_in == 0 && bytes.empty()) || window == kRawWindow) return {};
      INVARIANT(inflateReset2(&z, window) == Z_OK);  // the next member
    } else if (code == Z_BUF_ERROR || (code == Z_OK && z.avail_in == 0 && bytes.empty() && z.avail_out != 0)) {
      return fail(Errc::kInvalid, "unexpected EOF");
    } else if (code != Z_OK) {
      return fail(Errc::kInvalid, concat(name, z.msg != nullptr ? z.msg : "invalid data"));
    }
  }
}

}  // namespace

Result<void> gunzip(std::string_view bytes, uint64_t limit_bytes, ByteBuffer& out) {
  return inflate_all(bytes, kGzipWindow, "gzip: ", limit_bytes, out);
}

Result<void> inflate_raw(std::string_view bytes, uint64_t limit_bytes, ByteBuffer& out) {
  return inflate_all(bytes, kRawWindow, "flate: ", limit_bytes, out);
}

std::string gzip_compress(std::span<const std::string_view> fragments, int level) {
  z_stream z{};
  INVARIANT(deflateInit2(&z, level, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out;
  char block[16 * 1024];
  auto drain = [&](int flush) {
    do {
      z.next_out = reinterpret_cast<Bytef*>(block);
      z.avail_out = sizeof block;
      deflate(&z, flush);
      out.append(block, sizeof block - z.avail_out);
    } while (z.avail_out == 0);
  };
  for (std::string_view rest : fragments) {
    while (!rest.empty()) give_input(z, rest), drain(Z_NO_FLUSH);
  }
  drain(Z_FINISH);
  deflateEnd(&z);
  return out;
}

std::string gzip_compress(std::string_view bytes, int level) { return gzip_compress(std::span(&bytes, 1), level); }

}  // namespace pipeline
