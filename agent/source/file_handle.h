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
#include "agent/source/gzip_file.h"
#include "pipeline/base/result.h"

namespace agent {

class FileHandle {
 public:
  static pipeline::Result<std::shared_ptr<FileHandle>> open(const std::string& path);  // follows links
  // The text of a compressed file: positions, head and size are those of the text. Its size is a hint until a read has
  // come to its end. kCorrupt: see gzip_file.h.
  static pipeline::Result<std::shared_ptr<FileHandle>> open_gzip(const std::string& path);
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
  // The length of the hole, and the zeros behind it, at the begin of a file that was truncated while its writer kept
  // its place. 0: there is none, or nothing behind it.
  uint64_t hole_at_begin() const;

  // Has a process the file open for writing? Asked of the system with a lease, given back at once. kUnknown: the file
  // is another user's and we lack CAP_LEASE, or its file system has no leases.
  enum class Writers { kNone, kSome, kUnknown };
  Writers writers() const;

  bool is_gzip() const { return gzip_ != nullptr; }
  void rest() const;              // nothing is read for a while: gives memory back
  int fd() const { return fd_; }  // for inotify; do not read from it

 private:
  explicit FileHandle(int fd) : fd_(fd) {}
  const int fd_;
  std::unique_ptr<GzipFile> gzip_;  // null: not compressed
};

}  // namespace agent
