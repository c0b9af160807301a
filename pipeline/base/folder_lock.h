// FolderLock: one process per data folder. Holds a lock of its open file description (fcntl(2), F_OFD_SETLK) on
// FOLDER/LOCK, which names the holder's pid; whoever only wants to know asks `holder()`, which takes nothing.
//
// Life:    from acquire() to destruction; the system lets go when the process dies, however it dies. The file stays.
// Thread:  any one.
// Errors:  kUnavailable: `/var/lib/x/LOCK: the folder is in use by process 4711`. kIo, kNotFound: the folder or file
// cannot be used.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "pipeline/base/result.h"

namespace pipeline {

class FolderLock {
 public:
  static Result<FolderLock> acquire(const std::string& folder);  // which exists
  // The pid of who has it ("unknown": not written yet); nothing: nobody, or it cannot be found out.
  static std::optional<std::string> holder(const std::string& folder);
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
