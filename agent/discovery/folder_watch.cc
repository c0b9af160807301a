#include "agent/discovery/folder_watch.h"

#include <memory>
#include <sys/inotify.h>
#include <unistd.h>

namespace agent {

namespace {
constexpr uint32_t kMask = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR;
constexpr size_t kBufferBytes = 64 * 1024;  // some thousand events a read
}  // namespace

FolderWatch::FolderWatch() : fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

FolderWatch::~FolderWatch() {
  if (fd_ >= 0) ::close(fd_);
}

bool FolderWatch::add(const std::string& folder) {
  if (watches_.contains(folder)) return true;
  int wd = fd_ < 0 ? -1 : ::inotify_add_watch(fd_, folder.c_str(), kMask);
  if (wd < 0) return false;
  auto [it, fresh] = folders_.emplace(wd, folder);
  if (fresh) watches_.emplace(folder, wd);
  return fresh;
}

void FolderWatch::remove(const std::string& folder) {
  auto found = watches_.find(folder);
  if (found == watches_.end()) return;
  ::inotify_rm_watch(fd_, found->second);
  folders_.erase(found->second);
  watches_.erase(found);
}

bool FolderWatch::take(std::vector<Event>& events) {
  bool complete = true;
  auto buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  for (;;) {
    ssize_t size = ::read(fd_, buffer.get(), kBufferBytes);
    if (size <= 0) return complete;
    for (const char* at = buffer.get(); at < buffer.get() + size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if (event->mask & IN_Q_OVERFLOW) complete = false;
      auto folder = folders_.find(event->wd);
      if (folder == folders_.end()) continue;
      Event told{.kind = Event::Kind::kFolderGone, .folder = folder->second};
      if (event->mask & (IN_CREATE | IN_MOVED_TO)) {
        told.kind = Event::Kind::kAppeared;
      } else if (event->mask & (IN_DELETE | IN_MOVED_FROM)) {
        told.kind = Event::Kind::kVanished;
      } else if (event->mask & (IN_DELETE_SELF | IN_IGNORED | IN_UNMOUNT)) {
        watches_.erase(folder->second);
        folders_.erase(folder);
      } else {
        continue;
      }
      if (told.kind != Event::Kind::kFolderGone && event->len > 0) told.name = event->name;
      told.is_folder = event->mask & IN_ISDIR;
      told.cookie = event->cookie;
      events.push_back(std::move(told));
    }
  }
}

}  // namespace agent
