#include "agent/source/gzip_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace agent {

using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::system_error;

namespace {
constexpr size_t kInputBytes = 64 * 1024, kStepBytes = 128 * 1024;
constexpr size_t kFirstInputBytes = 4096, kLeastStepBytes = 4096;  // often only the head is wanted
constexpr uint64_t kKeepBefore = 256 * 1024;  // a reader goes back to the begin of a line it has no end of

Result<size_t> read_some(int fd, uint64_t position, char* to, size_t length) {
  for (;;) {
    ssize_t n = ::pread(fd, to, length, static_cast<off_t>(position));
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) return fail(system_error("pread", errno));
  }
}
}  // namespace

bool is_gzip_name(std::string_view path) { return path.ends_with(".gz"); }

Result<size_t> GzipFile::read_at(uint64_t position, char* to, size_t length) {
  std::lock_guard lock(mutex_);
  if (!open_ || position < open_->window_begin) open_ = std::make_unique<Open>();
  while (!open_->fault && open_->window_end() < position + length && size_bytes_ != open_->window_end()) {
    if (open_->window_end() < position) forget_before(position);
    TRY(inflate_some(position + length - open_->window_end()));
  }
  longest_read_ = std::max(longest_read_, open_->window_end());
  if (position >= open_->window_end()) {
    if (open_->fault) return fail(*open_->fault);
    return size_t{0};
  }
  size_t size = std::min<uint64_t>(length, open_->window_end() - position);
  std::memcpy(to, open_->window.data() + (position - open_->window_begin), size);
  forget_before(position);
  return size;
}

// Nothing made: the end, or a fault, is noted.
Result<void> GzipFile::inflate_some(uint64_t wanted) {
  Open& o = *open_;
  const size_t step_bytes = std::clamp<uint64_t>(wanted, kLeastStepBytes, kStepBytes);
  if (o.input_at == o.input.size()) {
    o.input.resize(o.file_position == 0 ? kFirstInputBytes : kInputBytes);
    o.input_at = 0;
    auto size = read_some(fd_, o.file_position, o.input.data(), o.input.size());
    o.input.resize(size.value_or(0));
    if (!size) return fail(size.error());
    o.file_position += *size;
  }
  const bool no_more_input = o.input.empty();
  size_t before = o.window.size();
  o.window.resize(before + step_bytes);
  auto step = o.stream.run(std::string_view(o.input).substr(o.input_at), o.window.data() + before, step_bytes);
  o.window.resize(before + (step ? step->made : 0));
  if (!step) {
    o.fault = step.error();
    return {};
  }
  o.input_at += step->used;
  if (step->made > 0 || !no_more_input) return {};
  if (o.stream.complete())
    size_bytes_ = o.window_end();
  else
    o.fault = pipeline::Error{Errc::kCorrupt, "gzip: unexpected end"};
  return {};
}

void GzipFile::forget_before(uint64_t position) {
  uint64_t keep_from = position - std::min(position, kKeepBefore);
  if (keep_from <= open_->window_begin) return;
  size_t away = std::min<uint64_t>(keep_from - open_->window_begin, open_->window.size());
  open_->window.erase(0, away);
  open_->window_begin += away;
}

void GzipFile::rest() {
  std::lock_guard lock(mutex_);
  open_.reset();
}

uint64_t GzipFile::size_bytes() {
  std::lock_guard lock(mutex_);
  if (size_bytes_) return *size_bytes_;
  uint64_t hint = 0;
  off_t end = ::lseek(fd_, 0, SEEK_END);
  unsigned char last[4];
  if (end >= 18 && ::pread(fd_, last, sizeof last, end - 4) == sizeof last)
    hint = last[0] | uint64_t{last[1]} << 8 | uint64_t{last[2]} << 16 | uint64_t{last[3]} << 24;
  return std::max(hint, longest_read_ + 1);
}

}  // namespace agent
