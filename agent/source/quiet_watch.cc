#include "agent/source/quiet_watch.h"

#include <cstdlib>
#include <sys/inotify.h>
#include <unistd.h>

namespace agent {

QuietWatch::QuietWatch() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

QuietWatch::~QuietWatch() {
  if (fd_ >= 0) ::close(fd_);
}

bool QuietWatch::watch(const FileHandle& file, uint64_t token) {
  if (fd_ < 0) return false;
  // An open file is not watched by its name: it may have been renamed or deleted. The watch outlives the descriptor.
  int wd = ::inotify_add_watch(fd_, file.watch_path().c_str(), IN_MODIFY | IN_ONESHOT);
  if (wd < 0) return false;
  auto [first, last] = tokens_.equal_range(wd);
  for (auto it = first; it != last; ++it) {
    if (it->second == token) return true;
  }
  tokens_.emplace(wd, token);
  return true;
}

bool QuietWatch::take(std::vector<uint64_t>& tokens) {
  if (fd_ < 0) return false;
  alignas(inotify_event) char buffer[16 * 1024];
  bool lost = false;
  for (;;) {
    ssize_t size = ::read(fd_, buffer, sizeof(buffer));
    if (size <= 0) return lost;
    for (char* at = buffer; at < buffer + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->mask & IN_Q_OVERFLOW) lost = true;
      auto [first, last] = tokens_.equal_range(event->wd);
      for (auto it = first; it != last; ++it) tokens.push_back(it->second);
      tokens_.erase(first, last);
    }
  }
}

}  // namespace agent
