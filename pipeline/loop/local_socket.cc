#include "pipeline/loop/local_socket.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace pipeline {

Result<void> clear_local_path(const std::string& path, int socket_type) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return fail(Errc::kInvalid,
                concat("unix socket ", path, ": its path must have 1 to ", sizeof address.sun_path - 1, " bytes"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) {
    if (errno == ENOENT) return {};
    return fail(system_error(concat("unix socket ", path), errno));
  }
  if (!S_ISSOCK(there.st_mode)) {
    return fail(Errc::kInvalid, concat("unix socket ", path, ": a file that is no socket stands there"));
  }
  int fd = ::socket(AF_UNIX, socket_type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return fail(system_error(concat("unix socket ", path), errno));
  int answer = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  int fault = answer == 0 ? 0 : errno;
  ::close(fd);
  if (fault != ECONNREFUSED && fault != ENOENT) {
    return fail(Errc::kUnavailable, concat("unix socket ", path, ": another program listens there"));
  }
  if (fault == ECONNREFUSED && ::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return fail(system_error(concat("remove old unix socket ", path), errno));
  }
  return {};
}

}  // namespace pipeline
