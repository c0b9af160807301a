#include "server/store/text_effort.h"

#include "pipeline/codec/zstd_frame.h"

namespace server {

using pipeline::ZstdEffort;

namespace {

constexpr size_t kPiece = 32 << 10;
constexpr size_t kPagesBetween = 16, kPagesBetweenStreams = 4;
// What must be saved of the raw bytes: one in so many is worth 2.5 ns for each of them.
constexpr size_t kWorth = 96;

}  // namespace

bool TextEffort::pays(std::string_view piece) {
  auto compressed = [&](ZstdEffort effort) {
    scratch_.clear();
    pipeline::zstd_compress_page(piece, scratch_, effort);
    return scratch_.size();
  };
  const size_t small = compressed(ZstdEffort::kSmall);
  return small + piece.size() / kWorth <= compressed(ZstdEffort::kFast);
}

PageEffort TextEffort::of(std::string_view text, uint64_t stream) {
  if (text.size() < 2 * kPiece) return PageEffort::kSmall;  // costs little either way
  const size_t between = stream == stream_ ? kPagesBetween : kPagesBetweenStreams;
  if (pages_ == 0 || pages_ >= between) {
    effort_ = pays(text.substr(0, kPiece)) ? PageEffort::kSmall : PageEffort::kFast;
    stream_ = stream, pages_ = 0;
  }
  ++pages_;
  return effort_;
}

}  // namespace server
