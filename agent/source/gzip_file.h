// GzipFile: a file that rotation compressed, read at positions of its text.
//
// Reading on costs what it inflates; reading further back than a block before the last read begins anew. rest() gives
// up the memory (some 600 KiB at most, a line's length more for long lines) until the next read.
//
// Thread:  any (locks); one reader at a time makes sense.
// Errors:  kIo of the read; kCorrupt: damaged, or cut short (`gzip: unexpected end`), where the text before the fault
//          was read already.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/result.h"
#include "pipeline/codec/gunzip_stream.h"

namespace agent {

bool is_gzip_name(std::string_view path);  // ends with .gz

class GzipFile {
 public:
  explicit GzipFile(int fd) : fd_(fd) {}  // which is the caller's, and outlives it

  // As FileHandle::read_at(); 0 bytes: the text ends here, or earlier.
  pipeline::Result<size_t> read_at(uint64_t position, char* to, size_t length);
  void rest();

  // The text's, once its end was seen; otherwise what the file's last bytes say (no more than a hint), or more than was
  // read.
  uint64_t size_bytes();

 private:
  struct Open {
    pipeline::GunzipStream stream;
    uint64_t file_position = 0;  // in the compressed file
    std::string input, window;   // `window` is the text from window_begin
    size_t input_at = 0;
    uint64_t window_begin = 0;
    std::optional<pipeline::Error> fault;  // the text ends here for us
    uint64_t window_end() const { return window_begin + window.size(); }
  };
  pipeline::Result<void> inflate_some(uint64_t wanted);
  void forget_before(uint64_t position);

  const int fd_;
  std::mutex mutex_;
  std::unique_ptr<Open> open_;          // under mutex_; null: at rest
  std::optional<uint64_t> size_bytes_;  // under mutex_: the end was seen
  uint64_t longest_read_ = 0;           // under mutex_: so much text there was at least
};

}  // namespace agent
