// ForgetfulFiles: a FileSystem in memory for tests. It forgets what was not synced when the power is cut, and fails or
// cuts the power at the n-th operation:
//
//   for (uint64_t n = 0;; ++n) {
//     ForgetfulFiles files;
//     files.cut_power_at(n);
//     run_the_story(files);                 // its calls fail from operation n on
//     bool done = !files.power_is_off();    // n lies behind the last operation: every step was tried
//     files.restart(seed);                  // what survived is all there is
//     check_promises(files);
//     if (done) break;
//   }
//
// What survives: bytes and size of a file as of its last sync, names as of the last sync of their folder. Of what was
// written later, restart(seed) keeps a random part: of bytes a prefix with garbage at its end, of names any subset
// (a rename may survive without the bytes of its file). restart() keeps nothing that was not synced. Folders
// themselves survive: make_folders counts as synced.
// Thread:  any (one lock).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "pipeline/base/file_system.h"

namespace pipeline {

class ForgetfulFiles final : public FileSystem {
 public:
  ForgetfulFiles();
  ~ForgetfulFiles() override;

  // --- troubles. Operations are counted from 0: create, append, sync, truncate, rename, remove, make_folders,
  // sync_folder; reading is neither counted nor failed.
  void fail_at(uint64_t operation);       // that one operation answers kIo; an append leaves half of its bytes
  void cut_power_at(uint64_t operation);  // that operation and all later ones answer kIo, reading too
  void fill_disk_after(uint64_t bytes);   // appends beyond answer kOverLimit
  bool power_is_off() const;
  uint64_t operations() const;  // so far, since the last restart
  // While it is held, every other call waits: a test decides what else happens before an operation ends.
  [[nodiscard]] std::unique_lock<std::mutex> hold();
  // Power comes back. Files opened before stay dead. Counting starts at 0, no trouble is planned.
  void restart(std::optional<uint64_t> seed = std::nullopt);

  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<std::unique_ptr<File>> open_to_read(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_folders(const std::string& path) override;
  Result<void> sync_folder(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Result<uint64_t> free_bytes(const std::string& path) override;

 private:
  friend class ForgetfulFile;
  struct Content {
    std::string now, synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Content>>;
  struct Folder {
    Names now, synced;
  };
  enum class Outcome { kDone, kFailed, kOff };
  Result<void> step(std::string_view operation, const std::string& path);  // counts; under mutex_
  Result<Folder*> folder_of(const std::string& path);
  Result<std::unique_ptr<File>> open_existing(const std::string& path);

  mutable std::mutex mutex_;  // guards everything below
  std::map<std::string, Folder> folders_;
  uint64_t generation_ = 0;  // raised by restart: older files are dead
  uint64_t operations_ = 0;
  std::optional<uint64_t> fail_at_, cut_at_, room_;
  bool off_ = false;
};

}  // namespace pipeline
