// FileHandle: a file for reading; closes it at the end. Shared by discovery and the reader: while either holds it open,
// the system cannot give its inode to another file.
//
// A handle may be parked, that is closed until somebody reads: then it opens its file again by its path, if that still
// leads to the same file (inode and time of birth). Who reads from one that was parked looks at the fingerprint again:
// the file may have been truncated and written anew.
//
// Thread:  any.
// Errors:  kNotFound, kOverLimit (too many open files), kIo; kInvalid for what is not a regular file. Names the path
//          only in open() and for parked ones; other errors name the descriptor's operation. kNotFound of a parked one:
//          its path leads to no file, or another; set_path() may help.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "agent/source/file_identity.h"
#include "agent/source/gzip_file.h"
#include "pipeline/base/result.h"
#include "pipeline/base/shared_text.h"

namespace agent {

class OpenFiles;

class FileHandle {
  struct Made {
    explicit Made() = default;
  };

 public:
  FileHandle(Made, int fd, pipeline::SharedText path, OpenFiles* files);  // by open() alone

  struct Status {
    InodeKey key;
    uint64_t size_bytes = 0;
    uint64_t links = 0;          // 0: deleted
    int64_t modified_nanos = 0;  // unix time
  };

  // Follows links. `files`: counts it, outlives it; without, the handle cannot be parked. `status`: as it was opened.
  static pipeline::Result<std::shared_ptr<FileHandle>> open(const pipeline::SharedText& path,
                                                            OpenFiles* files = nullptr, Status* status = nullptr);
  // The text of a compressed file: positions, head and size are those of the text. Its size is a hint until a read has
  // come to its end. kCorrupt: see gzip_file.h. It is never parked.
  static pipeline::Result<std::shared_ptr<FileHandle>> open_gzip(const std::string& path);
  ~FileHandle();
  FileHandle(const FileHandle&) = delete;
  FileHandle& operator=(const FileHandle&) = delete;

  InodeKey key() const { return key_; }
  int64_t birth_nanos() const { return birth_nanos_; }  // when it was made, unix time; 0: the file system does not tell
  pipeline::Result<Status> status() const;              // of a parked one by its path, without opening it
  // Up to `length` bytes, fewer at the end of the file; 0: nothing there.
  pipeline::Result<size_t> read_at(uint64_t position, char* to, size_t length) const;
  pipeline::Result<std::string> head() const;  // the first kFingerprintBytes
  // The length of the hole, and the zeros behind it, at the begin of a file that was truncated while its writer kept
  // its place. 0: there is none, or nothing behind it.
  uint64_t hole_at_begin() const;

  // Has a process the file open for writing? Asked of the system with a lease, given back at once. kUnknown: the file
  // is another user's and we lack CAP_LEASE, or its file system has no leases, or it is parked.
  enum class Writers { kNone, kSome, kUnknown };
  Writers writers() const;

  bool is_gzip() const { return gzip_ != nullptr; }
  void rest() const;  // nothing is read for a while: gives memory back

  // False: it stays open, because somebody is reading, it has no name any more, or its file system tells no birth
  // times.
  [[nodiscard]] bool park();
  [[nodiscard]] bool park(const Status& just_now);  // asked of it a moment ago
  bool is_open() const { return fd_.load(std::memory_order_relaxed) >= 0; }
  bool is_same_file(const FileHandle& other) const;  // as a parked one: the inode may be another file's by now
  bool is_same_file(const std::string& path) const;
  void set_path(pipeline::SharedText path);  // where the file is now; empty: nowhere
  std::string watch_path() const;            // for inotify: of the open file itself

 private:
  class Use;
  pipeline::Result<void> reopen() const;
  pipeline::SharedText path() const;

  mutable std::atomic<int> fd_;  // -1: parked
  mutable std::atomic<uint32_t> uses_{0};
  OpenFiles* const files_;
  std::unique_ptr<GzipFile> gzip_;  // null: not compressed
  InodeKey key_;                    // set in open()
  int64_t birth_nanos_ = 0;         // set in open()
  pipeline::SharedText path_;       // under the mutex of files_
};

}  // namespace agent
