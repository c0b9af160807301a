#include "pipeline/base/folder_lock.h"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace pipeline {

namespace {
std::string pid_in(int fd) {
  char text[32];
  ssize_t n = ::pread(fd, text, sizeof text, 0);
  std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "unknown" : pid;
}

bool write_pid(int fd) {
  std::string text = concat(::getpid(), "\n");
  return ::ftruncate(fd, 0) == 0 && ::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}
}  // namespace

Result<FolderLock> FolderLock::acquire(const std::string& folder) {
  std::string path = folder + "/LOCK";
  int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return fail(system_error(concat("open ", path), errno));
  FolderLock lock(fd);
  struct flock whole = whole_file();
  if (::fcntl(fd, F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES) return fail(system_error(concat("lock ", path), errno));
    return fail(Errc::kUnavailable, concat(path, ": the folder is in use by process ", pid_in(fd)));
  }
  if (!write_pid(fd)) return fail(system_error(concat("write ", path), errno));
  return lock;
}

std::optional<std::string> FolderLock::holder(const std::string& folder) {
  int fd = ::open((folder + "/LOCK").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  FolderLock closes(fd);
  struct flock whole = whole_file();
  if (::fcntl(fd, F_OFD_GETLK, &whole) != 0 || whole.l_type == F_UNLCK) return std::nullopt;
  return pid_in(fd);
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace pipeline
