#include "agent/source/file_handle.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::system_error;

Result<std::shared_ptr<FileHandle>> FileHandle::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE)
      return fail(Errc::kOverLimit, concat("open ", path, ": too many open files"));
    return fail(system_error(concat("open ", path), errno));
  }
  std::shared_ptr<FileHandle> handle(new FileHandle(fd));
  struct stat status;
  if (::fstat(fd, &status) != 0) return fail(system_error(concat("stat ", path), errno));
  if (!S_ISREG(status.st_mode)) return fail(Errc::kInvalid, concat(path, ": not a regular file"));
  return handle;
}

Result<std::shared_ptr<FileHandle>> FileHandle::open_gzip(const std::string& path) {
  TRY_LET(auto handle, open(path));
  handle->gzip_ = std::make_unique<GzipFile>(handle->fd_);
  return handle;
}

FileHandle::~FileHandle() { ::close(fd_); }

Result<FileHandle::Status> FileHandle::status() const {
  struct stat status;
  if (::fstat(fd_, &status) != 0) return fail(system_error("fstat", errno));
  return Status{.key = {status.st_dev, status.st_ino},
                .size_bytes = gzip_ ? gzip_->size_bytes() : static_cast<uint64_t>(status.st_size),
                .links = status.st_nlink,
                .modified_nanos = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}

Result<size_t> FileHandle::read_at(uint64_t position, char* to, size_t length) const {
  if (gzip_) return gzip_->read_at(position, to, length);
  size_t total = 0;
  while (total < length) {
    ssize_t n = ::pread(fd_, to + total, length - total, static_cast<off_t>(position + total));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error("pread", errno));
    total += static_cast<size_t>(n);
    if (n == 0 || total < length) break;  // a regular file reads short only at its end
  }
  return total;
}

Result<std::string> FileHandle::head() const {
  std::string bytes(kFingerprintBytes, '\0');
  TRY_LET(size_t size, read_at(0, bytes.data(), bytes.size()));
  bytes.resize(size);
  return bytes;
}

uint64_t FileHandle::hole_at_begin() const {
  char byte = '\1';
  if (gzip_ || ::pread(fd_, &byte, 1, 0) != 1 || byte != '\0') return 0;
  off_t data = ::lseek(fd_, 0, SEEK_DATA);
  if (data < 0) return 0;
  std::string zeros(4096, '\0');  // data begins with a page
  auto size = read_at(static_cast<uint64_t>(data), zeros.data(), zeros.size());
  if (!size) return 0;
  size_t text = std::string_view(zeros.data(), *size).find_first_not_of('\0');
  return text == std::string_view::npos ? 0 : static_cast<uint64_t>(data) + text;
}

FileHandle::Writers FileHandle::writers() const {
  // Who opens the file for writing while we have the lease would break it: the signal for that must not end us.
  ::fcntl(fd_, F_SETSIG, SIGURG);
  if (::fcntl(fd_, F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(fd_, F_SETLEASE, F_UNLCK);
    return Writers::kNone;
  }
  return errno == EAGAIN ? Writers::kSome : Writers::kUnknown;
}

void FileHandle::rest() const {
  if (gzip_) gzip_->rest();
}

}  // namespace agent
