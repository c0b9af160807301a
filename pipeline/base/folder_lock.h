// FolderLock: one process per data folder. Holds flock(2) on FOLDER/LOCK, which names the holder's pid.
//
// Life:    from acquire() to destruction; the system lets go when the process dies, however it dies. The file stays.
// Thread:  any one.
// Errors:  kUnavailable: `/var/lib/x/LOCK: the folder is in use by process 4711`. kIo, kNotFound: the folder or file
// cannot be used.
#pragma once

#include <string>
#include <utility>

#include "pipeline/base/result.h"

namespace pipeline {

class FolderLock {
 public:
  static Result<FolderLock> acquire(const std::string& folder);  // which exists
  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace pipeline
