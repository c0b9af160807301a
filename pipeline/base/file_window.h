// FileWindow: a file read from its beginning to its end a window at a time. Thread: one. Errors: those of File::read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "pipeline/base/file_system.h"
#include "pipeline/base/result.h"

namespace pipeline {

class FileWindow {
 public:
  // `file` outlives it; what lies behind `size` is not read. At least `window_bytes` are read at once.
  FileWindow(const File& file, uint64_t size, uint64_t window_bytes)
      : file_(file), size_(size), window_bytes_(window_bytes) {}

  // At least min(length, what the file has left) bytes from `offset` on. The view holds until the next call.
  Result<std::string_view> at(uint64_t offset, uint64_t length) {
    length = std::min(length, size_ - std::min(offset, size_));
    if (offset < start_ || offset + length > start_ + bytes_.size()) {
      TRY_LET(bytes_, file_.read(offset, std::max(length, window_bytes_)));
      start_ = offset;
    }
    return std::string_view(bytes_).substr(std::min<uint64_t>(offset - start_, bytes_.size()));
  }

 private:
  const File& file_;
  const uint64_t size_, window_bytes_;
  uint64_t start_ = 0;
  std::string bytes_;
};

}  // namespace pipeline
