#include "agent/source/file_handle.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/source/open_files.h"
#include "pipeline/base/concat.h"

namespace agent {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;
using pipeline::Result;
using pipeline::SharedText;
using pipeline::system_error;

namespace {
// That we read a file is no news worth a write to its disk: its time of access stays, where the system lets us (the
// file is ours, or we have CAP_FOWNER).
std::atomic<bool> may_keep_access_time{true};

Result<int> open_descriptor(const SharedText& path) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const bool keep = may_keep_access_time.load(std::memory_order_relaxed);
  int fd = ::open(path.c_str(), kFlags | (keep ? O_NOATIME : 0));
  if (fd < 0 && keep && errno == EPERM) {
    may_keep_access_time.store(false, std::memory_order_relaxed);
    fd = ::open(path.c_str(), kFlags);
  }
  if (fd >= 0) return fd;
  if (errno == EMFILE || errno == ENFILE) return fail(Errc::kOverLimit, concat("open ", path, ": too many open files"));
  return fail(system_error(concat("open ", path), errno));
}

struct StatedFile {
  FileHandle::Status status;
  int64_t birth_nanos = 0;  // when the file was made; 0: the file system does not say
  bool is_regular = false;
};

// `path` empty: of the descriptor itself.
std::optional<StatedFile> state_of(int fd, const char* path) {
  struct statx status;
  if (::statx(fd, path, *path == '\0' ? AT_EMPTY_PATH : 0, STATX_BASIC_STATS | STATX_BTIME, &status) != 0)
    return std::nullopt;
  auto nanos = [](const statx_timestamp& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return StatedFile{.status = {.key = {makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino},
                               .size_bytes = status.stx_size,
                               .links = status.stx_nlink,
                               .modified_nanos = nanos(status.stx_mtime)},
                    .birth_nanos = (status.stx_mask & STATX_BTIME) == 0 ? 0 : nanos(status.stx_btime),
                    .is_regular = S_ISREG(status.stx_mode)};
}

int64_t birth_nanos_of(int fd, const char* path) {
  auto state = state_of(fd, path);
  return state ? state->birth_nanos : 0;
}

FileHandle::Status status_of(const struct stat& status) {
  return {.key = {status.st_dev, status.st_ino},
          .size_bytes = static_cast<uint64_t>(status.st_size),
          .links = status.st_nlink,
          .modified_nanos = status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec};
}
}  // namespace

// Keeps the descriptor from being closed while it is used; opens a parked file first.
class FileHandle::Use {
 public:
  explicit Use(const FileHandle& file) : file_(file) {}
  ~Use() {
    if (fd_ >= 0) file_.uses_.fetch_sub(1);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

  bool if_open() {
    file_.uses_.fetch_add(1);  // before the load: park() looks at both in the other order
    fd_ = file_.fd_.load();
    if (fd_ < 0) file_.uses_.fetch_sub(1);
    return fd_ >= 0;
  }
  Result<int> open() {
    while (!if_open()) TRY(file_.reopen());
    return fd_;
  }
  int fd() const { return fd_; }

 private:
  const FileHandle& file_;
  int fd_ = -1;
};

Result<std::shared_ptr<FileHandle>> FileHandle::open(const SharedText& path, OpenFiles* files, Status* status) {
  TRY_LET(int fd, open_descriptor(path));
  auto handle = std::make_shared<FileHandle>(Made(), fd, files == nullptr ? SharedText() : path, files);
  if (files != nullptr) files->opened();
  const auto state = state_of(fd, "");
  if (!state) return fail(system_error(concat("stat ", path), errno));
  if (!state->is_regular) return fail(Errc::kInvalid, concat(path, ": not a regular file"));
  handle->key_ = state->status.key;
  handle->birth_nanos_ = state->birth_nanos;
  if (status != nullptr) *status = state->status;
  return handle;
}

Result<std::shared_ptr<FileHandle>> FileHandle::open_gzip(const std::string& path) {
  TRY_LET(auto handle, open(path));
  handle->gzip_ = std::make_unique<GzipFile>(handle->fd_);
  return handle;
}

FileHandle::FileHandle(Made, int fd, SharedText path, OpenFiles* files)
    : fd_(fd), files_(files), path_(std::move(path)) {}

FileHandle::~FileHandle() {
  if (is_open()) ::close(fd_);
  if (files_ != nullptr) is_open() ? files_->closed() : files_->left_parked();
}

Result<FileHandle::Status> FileHandle::status() const {
  Use use(*this);
  struct stat status;
  if (use.if_open()) {
    if (::fstat(use.fd(), &status) != 0) return fail(system_error("fstat", errno));
    Status known = status_of(status);
    if (gzip_) known.size_bytes = gzip_->size_bytes();
    return known;
  }
  // The system is asked without the lock, as it takes its time; unless the file gets another name meanwhile.
  for (SharedText path = this->path();;) {
    const auto state = state_of(AT_FDCWD, path.c_str());
    const int error = errno;
    const bool is_it = state && state->status.key == key_ && state->birth_nanos == birth_nanos_;
    if (is_it) return state->status;
    SharedText renamed = this->path();
    if (renamed == path)
      return state ? fail(Errc::kNotFound, concat(path, ": another file"))
                   : fail(system_error(concat("stat ", path), error));
    path = std::move(renamed);
  }
}

SharedText FileHandle::path() const {
  std::lock_guard lock(files_->mutex());
  return path_;
}

Result<size_t> FileHandle::read_at(uint64_t position, char* to, size_t length) const {
  if (gzip_) return gzip_->read_at(position, to, length);
  Use use(*this);
  TRY_LET(int fd, use.open());
  size_t total = 0;
  while (total < length) {
    ssize_t n = ::pread(fd, to + total, length - total, static_cast<off_t>(position + total));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(system_error("pread", errno));
    total += static_cast<size_t>(n);
    if (n == 0 || total < length) break;  // a regular file reads short only at its end
  }
  return total;
}

Result<std::string> FileHandle::head() const {
  std::string bytes(kFingerprintBytes, '\0');
  TRY_LET(size_t size, read_at(0, bytes.data(), bytes.size()));
  bytes.resize(size);
  return bytes;
}

uint64_t FileHandle::hole_at_begin() const {
  char byte = '\1';
  Use use(*this);
  if (gzip_ || !use.open() || ::pread(use.fd(), &byte, 1, 0) != 1 || byte != '\0') return 0;
  off_t data = ::lseek(use.fd(), 0, SEEK_DATA);
  if (data < 0) return 0;
  std::string zeros(4096, '\0');  // data begins with a page
  auto size = read_at(static_cast<uint64_t>(data), zeros.data(), zeros.size());
  if (!size) return 0;
  size_t text = std::string_view(zeros.data(), *size).find_first_not_of('\0');
  return text == std::string_view::npos ? 0 : static_cast<uint64_t>(data) + text;
}

FileHandle::Writers FileHandle::writers() const {
  Use use(*this);
  if (!use.if_open()) return Writers::kUnknown;
  // Who opens the file for writing while we have the lease would break it: the signal for that must not end us.
  ::fcntl(use.fd(), F_SETSIG, SIGURG);
  if (::fcntl(use.fd(), F_SETLEASE, F_RDLCK) == 0) {
    ::fcntl(use.fd(), F_SETLEASE, F_UNLCK);
    return Writers::kNone;
  }
  return errno == EAGAIN ? Writers::kSome : Writers::kUnknown;
}

void FileHandle::rest() const {
  if (gzip_) gzip_->rest();
}

bool FileHandle::park() {
  if (files_ == nullptr || gzip_ || !is_open()) return false;
  auto status = this->status();
  return status && park(*status);
}

bool FileHandle::park(const Status& just_now) {
  if (files_ == nullptr || gzip_ || just_now.links == 0 || birth_nanos_ == 0) return false;
  std::lock_guard lock(files_->mutex());
  const int fd = fd_.load();
  if (fd < 0 || path_.empty()) return false;
  fd_.store(-1);
  if (uses_.load() != 0) {
    fd_.store(fd);
    return false;
  }
  ::close(fd);
  files_->parked();
  return true;
}

Result<void> FileHandle::reopen() const {
  std::lock_guard lock(files_->mutex());
  if (is_open()) return {};
  if (path_.empty()) return fail(Errc::kNotFound, "a closed file has no name any more");
  TRY_LET(int fd, open_descriptor(path_));
  const auto state = state_of(fd, "");
  if (!state || state->status.key != key_ || state->birth_nanos != birth_nanos_) {
    ::close(fd);
    return fail(Errc::kNotFound, concat(path_, ": another file"));
  }
  files_->reopened();
  fd_.store(fd);
  return {};
}

bool FileHandle::is_same_file(const FileHandle& other) const {
  Use use(other);
  return is_open() || (use.if_open() && birth_nanos_of(use.fd(), "") == birth_nanos_);
}

bool FileHandle::is_same_file(const std::string& path) const {
  return is_open() || birth_nanos_of(AT_FDCWD, path.c_str()) == birth_nanos_;
}

void FileHandle::set_path(SharedText path) {
  if (files_ == nullptr) return;
  std::lock_guard lock(files_->mutex());
  path_ = std::move(path);
}

std::string FileHandle::watch_path() const {
  const int fd = fd_.load();
  if (fd >= 0) return concat("/proc/self/fd/", fd);
  std::lock_guard lock(files_->mutex());
  return path_.str();
}

}  // namespace agent
