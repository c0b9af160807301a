// SleepingFiles: files of a shard that are read to their end and quiet, told in some 150 bytes each: there may be a
// hundred thousand of them. A file wakes, whole again, when something happens to it (FileShard::wake()).
//
// Thread: the shard's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/source/tailed_file.h"

namespace agent {

// Ids by some hash of what they stand for, in 8 to 20 bytes each. Several may have one hash.
class IdIndex {
 public:
  using HashOf = std::function<uint64_t(FileId)>;  // of ids that are in it
  explicit IdIndex(HashOf hash_of) : hash_of_(std::move(hash_of)) {}

  void add(FileId id);
  void remove(FileId id);  // while hash_of still knows it
  // Those of this hash, and perhaps some others.
  template <class Visit>
  void visit(uint64_t hash, Visit visit) const {
    if (slots_.empty()) return;
    for (size_t at = hash % slots_.size(); slots_[at] != kFree; at = (at + 1) % slots_.size())
      if (slots_[at] != kRemoved) visit(FileId{slots_[at]});
  }

 private:
  static constexpr uint64_t kFree = 0, kRemoved = ~uint64_t{0};
  void insert(FileId id);
  void resize(size_t slots);

  const HashOf hash_of_;
  std::vector<uint64_t> slots_;
  size_t taken_ = 0;  // slots that are not free
  size_t ids_ = 0;
};

class SleepingFiles {
 public:
  struct Sleeper {
    std::shared_ptr<FileHandle> handle;
    std::shared_ptr<PathMetrics> path_metrics;
    std::unique_ptr<pipeline::StageState> stage_state;  // null: a new one will do
    std::unique_ptr<pipeline::LabelSet> labels;         // null: they follow from its path
    pipeline::SharedText path;
    InodeKey key;
    uint64_t fingerprint = 0;
    Lineage lineage;
    uint64_t birth_order = 0;
    uint64_t position = 0;  // and its size
    pipeline::UnixNanos last_read_time = 0;
    uint32_t source = 0;
    uint32_t changed_seconds = 0;  // monotonic
    uint16_t fingerprint_bytes = 0;
    bool plain_labels = false;
    bool begun = false;

    std::chrono::nanoseconds changed_at() const { return std::chrono::seconds(changed_seconds); }
  };

  SleepingFiles();
  SleepingFiles(const SleepingFiles&) = delete;
  SleepingFiles& operator=(const SleepingFiles&) = delete;

  bool empty() const { return sleepers_.empty(); }
  size_t size() const { return sleepers_.size(); }
  const Sleeper* find(FileId id) const { return sleepers_.find(id); }

  // A file that is live, read to its end, and the only one of its lineage.
  void put(std::unique_ptr<TailedFile> tailed);
  std::unique_ptr<TailedFile> take(FileId id);  // null: it does not sleep

  std::vector<FileId> at_inode(InodeKey key) const;
  std::optional<FileId> of_lineage(Lineage lineage) const;

  template <class Visit>
  void for_each(Visit visit) const {
    sleepers_.for_each(visit);
  }

 private:
  IdMap<FileId, Sleeper> sleepers_;
  IdIndex by_inode_, by_lineage_;
};

}  // namespace agent
