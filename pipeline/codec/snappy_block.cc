#include "pipeline/codec/snappy_block.h"

#include <algorithm>
#include <snappy-sinksource.h>
#include <snappy.h>

#include "pipeline/codec/size_limit.h"

namespace pipeline {

namespace {

// A three-byte copy gives at most 64 bytes, and nothing gives more per byte: a block that claims more is lying, and is
// found out before its output is allocated.
constexpr uint64_t kMaxExpansion = 22;

class FragmentSource final : public snappy::Source {
 public:
  explicit FragmentSource(std::span<const std::string_view> fragments) : rest_(fragments) {
    for (std::string_view fragment : fragments) available_ += fragment.size();
    drop_finished();
  }
  size_t Available() const override { return available_; }
  const char* Peek(size_t* size) override {
    *size = rest_.empty() ? 0 : rest_[0].size() - used_;
    return rest_.empty() ? nullptr : rest_[0].data() + used_;
  }
  void Skip(size_t n) override {
    available_ -= n;
    while (n > 0) {
      size_t step = std::min(n, rest_[0].size() - used_);
      used_ += step, n -= step;
      drop_finished();
    }
  }

 private:
  void drop_finished() {
    while (!rest_.empty() && used_ == rest_[0].size()) rest_ = rest_.subspan(1), used_ = 0;
  }

  std::span<const std::string_view> rest_;
  size_t used_ = 0;  // of rest_[0]
  size_t available_ = 0;
};

class StringSink final : public snappy::Sink {
 public:
  explicit StringSink(std::string& out) : out_(out) {}
  void Append(const char* bytes, size_t n) override { out_.append(bytes, n); }

 private:
  std::string& out_;
};

}  // namespace

std::string snappy_compress(std::span<const std::string_view> fragments) {
  FragmentSource source(fragments);
  std::string out;
  out.reserve(source.Available() / 2 + 64);  // logs shrink to a third
  StringSink sink(out);
  snappy::Compress(&source, &sink);
  return out;
}

std::string snappy_compress(std::string_view bytes) { return snappy_compress(std::span(&bytes, 1)); }

Result<void> snappy_uncompress(std::string_view block, uint64_t limit_bytes, ByteBuffer& out) {
  out.clear();
  size_t size = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &size)) {
    return fail(Errc::kInvalid, "snappy: corrupt input");
  }
  if (size > limit_bytes) return fail(decompressed_too_large(size, limit_bytes));
  if (size > block.size() * kMaxExpansion) return fail(Errc::kInvalid, "snappy: corrupt input");
  out.resize(size);
  char nothing = 0;  // an empty buffer has no address
  if (!snappy::RawUncompress(block.data(), block.size(), size == 0 ? &nothing : out.data())) {
    out.clear();
    return fail(Errc::kInvalid, "snappy: corrupt input");
  }
  return {};
}

}  // namespace pipeline
