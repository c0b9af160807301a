#include "agent/source/quiet_watch.h"

#include <algorithm>
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
  auto [there, fresh] = tokens_.try_emplace(watch_of(wd));
  if (fresh) *there = token;
  if (*there == token) return true;
  auto [first, last] = others_.equal_range(wd);
  if (std::none_of(first, last, [&](const auto& other) { return other.second == token; })) others_.emplace(wd, token);
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
      if (event->wd < 0) continue;
      if (const uint64_t* token = tokens_.find(watch_of(event->wd))) tokens.push_back(*token);
      tokens_.erase(watch_of(event->wd));
      auto [first, last] = others_.equal_range(event->wd);
      for (auto it = first; it != last; ++it) tokens.push_back(it->second);
      others_.erase(first, last);
    }
  }
}

}  // namespace agent
