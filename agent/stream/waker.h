// Waker: an eventfd for the thread of a source that waits for something else, too. Whoever is told of room may keep it
// as long as it likes.
//
// Thread: wake(): any; the rest: the source's own.
#pragma once

#include <cstdint>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pipeline/base/invariant.h"

namespace agent {

class Waker {
 public:
  Waker() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { INVARIANT(fd_ >= 0); }
  ~Waker() { ::close(fd_); }
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;

  void wake() const {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(fd_, &one, sizeof(one));
  }
  // Until somebody wakes us, and not much longer than a second: there may be what nobody tells.
  void wait() const {
    pollfd fd{fd_, POLLIN, 0};
    if (::poll(&fd, 1, kLongest) > 0) clear();
  }
  void clear() const {
    uint64_t count;
    [[maybe_unused]] ssize_t size = ::read(fd_, &count, sizeof(count));
  }
  int fd() const { return fd_; }

 private:
  static constexpr int kLongest = 1000;  // milliseconds
  const int fd_;
};

}  // namespace agent
