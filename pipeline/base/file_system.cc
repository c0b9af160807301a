#include "pipeline/base/file_system.h"

#include <algorithm>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace pipeline {

namespace {

tl::unexpected<Error> os_failure(std::string_view operation, std::string_view path) {
  return fail(system_error(concat(operation, " ", path), errno));
}

class SystemFile final : public File {
 public:
  SystemFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~SystemFile() override { ::close(fd_); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  Result<void> append(std::string_view bytes) override {
    while (!bytes.empty()) {
      ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_failure("append", path_);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return {};
  }

  Result<void> sync() override {
    if (::fdatasync(fd_) != 0) return os_failure("sync", path_);
    return {};
  }

  Result<std::string> read(uint64_t offset, uint64_t length) const override {
    std::string out(length, '\0');
    size_t done = 0;
    while (done < length) {
      ssize_t n = ::pread(fd_, out.data() + done, length - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_failure("read", path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    out.resize(done);
    return out;
  }

  Result<void> truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return os_failure("truncate", path_);
    return {};
  }

  Result<uint64_t> size() const override {
    struct stat info {};
    if (::fstat(fd_, &info) != 0) return os_failure("stat", path_);
    return static_cast<uint64_t>(info.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
};

class SystemFiles final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return opened("create", path, O_RDWR | O_APPEND | O_CREAT | O_EXCL);
  }
  Result<std::unique_ptr<File>> open(const std::string& path) override {
    return opened("open", path, O_RDWR | O_APPEND);
  }
  Result<std::unique_ptr<File>> open_to_read(const std::string& path) override {
    return opened("open", path, O_RDONLY);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return os_failure("rename", from);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return os_failure("remove", path);
    return {};
  }

  Result<void> make_folders(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return fail(system_error(concat("create folder ", path), error.value()));
    return {};
  }

  Result<void> sync_folder(const std::string& path) override {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return os_failure("open folder", path);
    int outcome = ::fsync(fd);
    int saved = errno;
    ::close(fd);
    errno = saved;
    if (outcome != 0) return os_failure("sync folder", path);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    DIR* dir = ::opendir(folder.c_str());
    if (dir == nullptr) return os_failure("list folder", folder);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<uint64_t> free_bytes(const std::string& path) override {
    struct statvfs info {};
    if (::statvfs(path.c_str(), &info) != 0) return os_failure("stat file system of", path);
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

 private:
  static Result<std::unique_ptr<File>> opened(std::string_view operation, const std::string& path, int flags) {
    int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0640);
    if (fd < 0) return os_failure(operation, path);
    return std::unique_ptr<File>(std::make_unique<SystemFile>(fd, path));
  }
};

}  // namespace

std::unique_ptr<FileSystem> system_files() { return std::make_unique<SystemFiles>(); }

}  // namespace pipeline
