// FileHandle: an open file for reading; closes it at the end. Shared by discovery and the reader: while either holds
// it, the system cannot give its inode to another file.
//
// Thread:  any.
// Errors:  kNotFound, kOverLimit (too many open files), kIo; kInvalid for what is not a regular file. Names the path
//          only in open(); later errors name the descriptor's operation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/source/file_identity.h"
#include "pipeline/base/result.h"

namespace agent {

class FileHandle {
 public:
  static pipeline::Result<std::shared_ptr<FileHandle>> open(const std::string& path);  // follows links
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  struct Status {
    InodeKey key;
    uint64_t size_bytes = 0;
    uint64_t links = 0;          // 0: deleted
    int64_t modified_nanos = 0;  // unix time
  };
  pipeline::Result<Status> status() const;
  // Up to `length` bytes, fewer at the end of the file; 0: nothing there.
  pipeline::Result<size_t> read_at(uint64_t position, char* to, size_t length) const;
  pipeline::Result<std::string> head() const;  // the first kFingerprintBytes

  int fd() const { return fd_; }  // for inotify; do not read from it

 private:
  explicit FileHandle(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace agent
