// TempFolder: a fresh folder for one test, with the verbs of log writers; removed at the end. Thread: one.
#pragma once

#include <fcntl.h>
#include <filesystem>
#include <stdlib.h>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/base/invariant.h"

namespace agent::testing {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/skidway_test_XXXXXX";
    INVARIANT(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string at(std::string_view name) const { return path_ + "/" + std::string(name); }

  void make(std::string_view folder) { std::filesystem::create_directories(at(folder)); }
  void append(std::string_view name, std::string_view bytes) const {
    int fd = ::open(at(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    INVARIANT(fd >= 0);
    INVARIANT(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::close(fd);
  }
  void rename(std::string_view from, std::string_view to) const {
    INVARIANT(::rename(at(from).c_str(), at(to).c_str()) == 0);
  }
  void set_modified(std::string_view name, int64_t nanos) const {
    const timespec time{nanos / 1'000'000'000, nanos % 1'000'000'000}, times[2] = {time, time};
    INVARIANT(::utimensat(AT_FDCWD, at(name).c_str(), times, 0) == 0);
  }
  void remove(std::string_view name) const { INVARIANT(::unlink(at(name).c_str()) == 0); }
  void truncate(std::string_view name) const { INVARIANT(::truncate(at(name).c_str(), 0) == 0); }

 private:
  std::string path_;
};

}  // namespace agent::testing
