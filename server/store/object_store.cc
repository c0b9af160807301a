#include "server/store/object_store.h"

#include <mutex>
#include <set>
#include <utility>

#include "pipeline/base/failpoint.h"

namespace server {

using pipeline::concat;
using pipeline::Errc;
using pipeline::fail;

Result<void> ObjectStore::put(const std::string& key, std::string_view bytes) {
  TRY_LET(auto upload, create(key));
  TRY(upload->append(bytes));
  return upload->commit();
}

std::string object_folder(const Ulid& cluster, int level) { return concat(cluster.text(), "/l", level); }

std::string object_key(const Ulid& cluster, int level, const Ulid& object) {
  return concat(object_folder(cluster, level), "/", object.text(), ".lseg");
}

namespace {

constexpr std::string_view kUnfinished = ".part";

// The unfinished files that this program is writing. Thread: any.
class OpenUploads {
 public:
  // False: it is being written already.
  bool begin(const std::string& path) {
    std::lock_guard lock(mutex_);
    return paths_.insert(path).second;
  }
  void end(const std::string& path) {
    std::lock_guard lock(mutex_);
    paths_.erase(path);
  }
  bool contains(const std::string& path) const {
    std::lock_guard lock(mutex_);
    return paths_.contains(path);
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::string> paths_;  // under mutex_
};

class LocalUpload final : public ObjectUpload {
 public:
  static Result<std::unique_ptr<ObjectUpload>> begin(pipeline::FileSystem& files, std::string path,
                                                     std::shared_ptr<OpenUploads> open) {
    if (!open->begin(concat(path, kUnfinished)))
      return fail(Errc::kInvalid, concat("create ", path, ": it is being written already"));
    std::unique_ptr<LocalUpload> upload(new LocalUpload(files, std::move(path), std::move(open)));
    // One that lies there is of a program that died; a catalogue that was made anew gives out its key again.
    if (files.open_to_read(upload->part())) TRY(files.remove(upload->part()));
    TRY_LET(auto file, files.create(upload->part()));
    upload->file_ = std::move(file);
    upload->unfinished_ = true;
    return std::unique_ptr<ObjectUpload>(std::move(upload));
  }

  ~LocalUpload() override {
    if (unfinished_) {
      file_.reset();
      (void)files_.remove(part());  // what stays is removed at the next start
    }
    open_->end(part());
  }

  Result<void> append(std::string_view bytes) override { return file_->append(bytes); }

  Result<void> commit() override {
    TRY(pipeline::failpoint("file_store.before_sync"));
    TRY(file_->sync());
    file_.reset();
    TRY(pipeline::failpoint("file_store.before_rename"));
    TRY(files_.rename(part(), path_));
    unfinished_ = false;
    TRY(pipeline::failpoint("file_store.after_rename"));
    return files_.sync_folder(path_.substr(0, path_.rfind('/')));
  }

 private:
  LocalUpload(pipeline::FileSystem& files, std::string path, std::shared_ptr<OpenUploads> open)
      : files_(files), path_(std::move(path)), open_(std::move(open)) {}

  std::string part() const { return concat(path_, kUnfinished); }

  pipeline::FileSystem& files_;
  const std::string path_;
  const std::shared_ptr<OpenUploads> open_;
  std::unique_ptr<pipeline::File> file_;
  bool unfinished_ = false;
};

class LocalStore final : public ObjectStore {
 public:
  LocalStore(pipeline::FileSystem& files, std::string root) : files_(files), root_(std::move(root)) {}

  Result<std::unique_ptr<ObjectUpload>> create(const std::string& key) override {
    std::string path = path_of(key);
    if (files_.open_to_read(path)) return fail(Errc::kInvalid, concat("create object ", key, ": it exists already"));
    TRY(make_folder_of(path));
    return LocalUpload::begin(files_, std::move(path), open_);
  }

  Result<void> get_range(const std::string& key, uint64_t offset, uint64_t length, std::string& out) override {
    TRY_LET(auto file, files_.open_to_read(path_of(key)));
    TRY_LET(out, file->read(offset, length));
    if (out.size() == length) return {};
    return fail(Errc::kCorrupt, concat("read object ", key, ": ends at byte ", offset + out.size(), ", wanted [",
                                       offset, ", ", offset + length, ")"));
  }

  Result<uint64_t> size(const std::string& key) override {
    TRY_LET(auto file, files_.open_to_read(path_of(key)));
    return file->size();
  }

  Result<void> remove(const std::string& key) override {
    auto outcome = files_.remove(path_of(key));
    if (!outcome && outcome.error().code != Errc::kNotFound) return outcome;
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    TRY_LET(auto names, names_in(folder));
    std::erase_if(names, [](const std::string& name) { return name.ends_with(kUnfinished); });
    for (std::string& name : names) name = key_of(folder, name);
    return names;
  }

  Result<uint64_t> remove_unfinished(const std::string& folder) override {
    TRY_LET(auto names, names_in(folder));
    uint64_t removed = 0;
    for (const std::string& name : names) {
      if (!name.ends_with(kUnfinished) || open_->contains(path_of(key_of(folder, name)))) continue;
      TRY(files_.remove(path_of(key_of(folder, name))));
      ++removed;
    }
    return removed;
  }

 private:
  std::string path_of(const std::string& key) const { return key.empty() ? root_ : concat(root_, "/", key); }
  static std::string key_of(const std::string& folder, const std::string& name) {
    return folder.empty() ? name : concat(folder, "/", name);
  }

  // The folders' own names are made durable too: from the object's up to the root's.
  Result<void> make_folder_of(const std::string& path) {
    std::string folder = path.substr(0, path.rfind('/'));
    std::lock_guard lock(mutex_);
    if (made_folders_.contains(folder)) return {};
    TRY(files_.make_folders(folder));
    for (std::string parent = folder; parent.size() > root_.size();) {
      parent.resize(parent.rfind('/'));
      TRY(files_.sync_folder(parent));
    }
    made_folders_.insert(folder);
    return {};
  }

  Result<std::vector<std::string>> names_in(const std::string& folder) {
    auto names = files_.list(path_of(folder));
    if (!names && names.error().code == Errc::kNotFound) return std::vector<std::string>();
    return names;
  }

  pipeline::FileSystem& files_;
  const std::string root_;
  const std::shared_ptr<OpenUploads> open_ = std::make_shared<OpenUploads>();
  std::mutex mutex_;
  std::set<std::string> made_folders_;  // under mutex_: made and synced by this program; a handful
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_local_store(pipeline::FileSystem& files, std::string root) {
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  TRY(files.make_folders(root));
  return std::unique_ptr<ObjectStore>(std::make_unique<LocalStore>(files, std::move(root)));
}

}  // namespace server
