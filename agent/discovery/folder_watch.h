// FolderWatch: one inotify instance that tells which names appear in and vanish from folders. Not which files are
// written to: see agent/source/quiet_watch.h.
//
// Thread:  one.
// Limits:  fs.inotify.max_user_watches, max_user_instances; a folder without a watch must be scanned (add() says so).
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace agent {

class FolderWatch {
 public:
  FolderWatch();  // without inotify, add() always refuses
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  int fd() const { return fd_; }  // readable when take() has something; -1: no inotify

  // False: no watch to be had, or the same folder is watched under another path.
  [[nodiscard]] bool add(const std::string& folder);
  void remove(const std::string& folder);

  struct Event {
    enum class Kind { kAppeared, kVanished, kFolderGone };
    Kind kind;
    bool is_folder = false;  // the name is one
    uint32_t cookie = 0;     // the same for both halves of a rename
    std::string folder;
    std::string name = {};  // empty for kFolderGone
  };
  // In the order in which it happened. False: the system lost events; scan everything.
  [[nodiscard]] bool take(std::vector<Event>& events);

 private:
  const int fd_;
  std::unordered_map<int, std::string> folders_;  // by watch
  std::unordered_map<std::string, int> watches_;
};

}  // namespace agent
