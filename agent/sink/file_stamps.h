// FileStamps: tells whether any of some files was changed or replaced since the last look: device, inode, size and time
// of the last change. A name that leads elsewhere (a Kubernetes secret's links) is a change too.
//
// Thread: one.
#pragma once

#include <string>
#include <sys/stat.h>
#include <tuple>
#include <vector>

namespace agent {

class FileStamps {
 public:
  explicit FileStamps(std::vector<std::string> paths) : paths_(std::move(paths)), seen_(look()) {}

  bool changed() {
    std::vector<Stamp> now = look();
    bool different = now != seen_;
    seen_ = std::move(now);
    return different;
  }

 private:
  using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long>;
  std::vector<Stamp> look() const {
    std::vector<Stamp> stamps;
    for (const std::string& path : paths_) {
      struct stat status {};
      if (path.empty() || ::stat(path.c_str(), &status) != 0) status = {};
      stamps.emplace_back(status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    }
    return stamps;
  }

  std::vector<std::string> paths_;
  std::vector<Stamp> seen_;
};

}  // namespace agent
