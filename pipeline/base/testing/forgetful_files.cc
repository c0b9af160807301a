#include "pipeline/base/testing/forgetful_files.h"

#include <algorithm>
#include <random>

namespace pipeline {

namespace {

std::string folder_name(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

tl::unexpected<Error> absent(std::string_view operation, const std::string& path) {
  return fail(Errc::kNotFound, concat(operation, " ", path, ": no such file or directory"));
}

// A part of `now`: its synced beginning, then some of the bytes behind it, the last of them broken.
std::string torn(const std::string& synced, const std::string& now, std::mt19937_64& random) {
  if (now.size() <= synced.size() || now.compare(0, synced.size(), synced) != 0) return synced;
  std::string out = now.substr(0, synced.size() + random() % (now.size() - synced.size() + 1));
  if (out.size() > synced.size() && random() % 2 == 0) out.back() = static_cast<char>(out.back() ^ 0x55);
  return out;
}

}  // namespace

class ForgetfulFile final : public File {
 public:
  ForgetfulFile(ForgetfulFiles& files, std::shared_ptr<ForgetfulFiles::Content> content, std::string path)
      : files_(files), content_(std::move(content)), path_(std::move(path)), generation_(files.generation_) {}

  Result<void> append(std::string_view bytes) override {
    std::lock_guard lock(files_.mutex_);
    TRY(alive());
    if (auto outcome = files_.step("append", path_); !outcome) {
      if (!files_.off_) content_->now += bytes.substr(0, bytes.size() / 2);
      return outcome;
    }
    if (files_.room_ && bytes.size() > *files_.room_) {
      content_->now += bytes.substr(0, *files_.room_);
      files_.room_ = 0;
      return fail(Errc::kOverLimit, concat("append ", path_, ": no space left on device"));
    }
    if (files_.room_) *files_.room_ -= bytes.size();
    content_->now += bytes;
    return {};
  }

  Result<void> sync() override {
    std::lock_guard lock(files_.mutex_);
    TRY(alive());
    TRY(files_.step("sync", path_));
    content_->synced = content_->now;
    return {};
  }

  Result<std::string> read(uint64_t offset, uint64_t length) const override {
    std::lock_guard lock(files_.mutex_);
    TRY(alive());
    if (offset >= content_->now.size()) return std::string();
    return content_->now.substr(offset, length);
  }

  Result<void> truncate(uint64_t size) override {
    std::lock_guard lock(files_.mutex_);
    TRY(alive());
    TRY(files_.step("truncate", path_));
    content_->now.resize(size);
    return {};
  }

  Result<uint64_t> size() const override {
    std::lock_guard lock(files_.mutex_);
    TRY(alive());
    return content_->now.size();
  }

 private:
  Result<void> alive() const {
    if (generation_ == files_.generation_ && !files_.off_) return {};
    return fail(Errc::kIo, concat("use ", path_, ": the power was cut"));
  }

  ForgetfulFiles& files_;
  const std::shared_ptr<ForgetfulFiles::Content> content_;
  const std::string path_;
  const uint64_t generation_;
};

ForgetfulFiles::ForgetfulFiles() = default;
ForgetfulFiles::~ForgetfulFiles() = default;

void ForgetfulFiles::fail_at(uint64_t operation) {
  std::lock_guard lock(mutex_);
  fail_at_ = operation;
}

void ForgetfulFiles::cut_power_at(uint64_t operation) {
  std::lock_guard lock(mutex_);
  cut_at_ = operation;
}

void ForgetfulFiles::fill_disk_after(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  room_ = bytes;
}

bool ForgetfulFiles::power_is_off() const {
  std::lock_guard lock(mutex_);
  return off_;
}

std::unique_lock<std::mutex> ForgetfulFiles::hold() { return std::unique_lock(mutex_); }

uint64_t ForgetfulFiles::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

void ForgetfulFiles::restart(std::optional<uint64_t> seed) {
  std::lock_guard lock(mutex_);
  std::mt19937_64 random(seed.value_or(0));
  for (auto& [path, folder] : folders_) {
    Names survived = folder.synced;
    if (seed) {
      for (const auto& [name, content] : folder.now) {
        if (random() % 2 == 0) survived[name] = content;
      }
      for (const auto& [name, content] : folder.synced) {
        if (!folder.now.contains(name) && random() % 2 == 0) survived.erase(name);
      }
    }
    folder.now = folder.synced = survived;
  }
  for (auto& [path, folder] : folders_) {
    for (auto& [name, content] : folder.now) {
      content->now = content->synced = seed ? torn(content->synced, content->now, random) : content->synced;
    }
  }
  ++generation_;
  operations_ = 0;
  off_ = false;
  fail_at_.reset(), cut_at_.reset(), room_.reset();
}

Result<void> ForgetfulFiles::step(std::string_view operation, const std::string& path) {
  uint64_t number = operations_++;
  if (cut_at_ && number >= *cut_at_) off_ = true;
  if (off_) return fail(Errc::kIo, concat(operation, " ", path, ": the power was cut"));
  if (fail_at_ && number == *fail_at_) return fail(Errc::kIo, concat(operation, " ", path, ": input/output error"));
  return {};
}

Result<ForgetfulFiles::Folder*> ForgetfulFiles::folder_of(const std::string& path) {
  auto it = folders_.find(folder_name(path));
  if (it == folders_.end()) return absent("open folder of", path);
  return &it->second;
}

Result<std::unique_ptr<File>> ForgetfulFiles::create(const std::string& path) {
  std::lock_guard lock(mutex_);
  TRY(step("create", path));
  TRY_LET(Folder * folder, folder_of(path));
  auto [it, made] = folder->now.try_emplace(base_name(path));
  if (!made) return fail(Errc::kIo, concat("create ", path, ": file exists"));
  it->second = std::make_shared<Content>();
  return std::unique_ptr<File>(std::make_unique<ForgetfulFile>(*this, it->second, path));
}

Result<std::unique_ptr<File>> ForgetfulFiles::open_existing(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (off_) return fail(Errc::kIo, concat("open ", path, ": the power was cut"));
  TRY_LET(Folder * folder, folder_of(path));
  auto it = folder->now.find(base_name(path));
  if (it == folder->now.end()) return absent("open", path);
  return std::unique_ptr<File>(std::make_unique<ForgetfulFile>(*this, it->second, path));
}

Result<std::unique_ptr<File>> ForgetfulFiles::open(const std::string& path) { return open_existing(path); }
Result<std::unique_ptr<File>> ForgetfulFiles::open_to_read(const std::string& path) { return open_existing(path); }

Result<void> ForgetfulFiles::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  TRY(step("rename", from));
  TRY_LET(Folder * source, folder_of(from));
  TRY_LET(Folder * target, folder_of(to));
  auto it = source->now.find(base_name(from));
  if (it == source->now.end()) return absent("rename", from);
  std::shared_ptr<Content> content = it->second;
  source->now.erase(it);
  target->now[base_name(to)] = std::move(content);
  return {};
}

Result<void> ForgetfulFiles::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  TRY(step("remove", path));
  TRY_LET(Folder * folder, folder_of(path));
  if (folder->now.erase(base_name(path)) == 0) return absent("remove", path);
  return {};
}

Result<void> ForgetfulFiles::make_folders(const std::string& path) {
  std::lock_guard lock(mutex_);
  TRY(step("create folder", path));
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    folders_.try_emplace(path.substr(0, slash));
    if (slash == std::string::npos) return {};
  }
}

Result<void> ForgetfulFiles::sync_folder(const std::string& path) {
  std::lock_guard lock(mutex_);
  TRY(step("sync folder", path));
  auto it = folders_.find(path);
  if (it == folders_.end()) return absent("sync folder", path);
  it->second.synced = it->second.now;
  return {};
}

Result<std::vector<std::string>> ForgetfulFiles::list(const std::string& folder) {
  std::lock_guard lock(mutex_);
  if (off_) return fail(Errc::kIo, concat("list folder ", folder, ": the power was cut"));
  auto it = folders_.find(folder);
  if (it == folders_.end()) return absent("list folder", folder);
  std::vector<std::string> names;
  for (const auto& [name, content] : it->second.now) names.push_back(name);
  std::string prefix = folder + "/";
  for (const auto& [path, unused] : folders_) {
    if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos) {
      names.push_back(path.substr(prefix.size()));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<uint64_t> ForgetfulFiles::free_bytes(const std::string&) {
  std::lock_guard lock(mutex_);
  return room_.value_or(uint64_t{1} << 40);
}

}  // namespace pipeline
