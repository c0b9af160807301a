#include "pipeline/codec/gunzip_stream.h"

#include <algorithm>
#include <zlib.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/invariant.h"

namespace pipeline {

namespace {
constexpr int kGzipWindow = 15 + 16;   // zlib's way to say which wrapper
constexpr size_t kMaxStep = 1u << 30;  // zlib counts in 32 bits
}  // namespace

struct GunzipStream::State {
  State() { INVARIANT(inflateInit2(&z, kGzipWindow) == Z_OK); }  // fails for lack of memory only
  ~State() { inflateEnd(&z); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  z_stream z{};
  bool any_member = false;  // one is complete
  bool open = false;        // one has begun
  bool padding = false;     // zeros follow
};

GunzipStream::GunzipStream() : state_(std::make_unique<State>()) {}
GunzipStream::~GunzipStream() = default;
GunzipStream::GunzipStream(GunzipStream&&) noexcept = default;
GunzipStream& GunzipStream::operator=(GunzipStream&&) noexcept = default;

bool GunzipStream::complete() const { return state_->any_member && !state_->open; }

Result<GunzipStream::Step> GunzipStream::run(std::string_view input, char* to, size_t room) {
  Step step;
  z_stream& z = state_->z;
  while (step.made < room) {
    if (step.used == input.size() && !state_->open) break;
    if (!state_->open && state_->any_member && (state_->padding || input[step.used] == '\0')) {
      state_->padding = true;
      if (input[step.used] != '\0') return fail(Errc::kCorrupt, "gzip: bytes behind the padding");
      step.used++;
      continue;
    }
    state_->open = true;
    auto in = static_cast<uInt>(std::min(input.size() - step.used, kMaxStep));
    auto out = static_cast<uInt>(std::min(room - step.made, kMaxStep));
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data() + step.used));
    z.avail_in = in;
    z.next_out = reinterpret_cast<Bytef*>(to + step.made);
    z.avail_out = out;
    int code = inflate(&z, Z_NO_FLUSH);
    step.used += in - z.avail_in;
    step.made += out - z.avail_out;
    if (code == Z_STREAM_END) {
      state_->open = false;
      state_->any_member = true;
      INVARIANT(inflateReset2(&z, kGzipWindow) == Z_OK);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return fail(Errc::kCorrupt, concat("gzip: ", z.msg != nullptr ? z.msg : "invalid data"));
    } else if (in == z.avail_in && out == z.avail_out) {
      break;
    }
  }
  return step;
}

}  // namespace pipeline
