// SleepingFiles: files of a shard that are read to their end and quiet, told in some 110 bytes each: there may be a
// hundred thousand of them. A file wakes, whole again, when something happens to it (FileShard::wake()).
//
// Thread: the shard's.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/source/hash_index.h"
#include "agent/source/tailed_file.h"

namespace agent {

class SleepingFiles {
 public:
  static constexpr int kSourceBits = 19, kFingerprintBits = 11;
  static_assert(kFingerprintBytes < 1 << kFingerprintBits);

  struct Sleeper {
    // What few of them have.
    struct Rest {
      std::shared_ptr<PathMetrics> path_metrics;          // null: as TailedFile has it
      std::unique_ptr<pipeline::StageState> stage_state;  // null: a new one will do
      pipeline::LabelSet labels;                          // empty: they follow from its path
    };
    std::shared_ptr<FileHandle> handle;
    std::unique_ptr<Rest> rest;  // null: nothing of it
    pipeline::SharedText path;
    uint64_t fingerprint = 0;
    Lineage lineage;
    uint64_t birth_order = 0;
    uint64_t position = 0;  // and its size
    pipeline::UnixNanos last_read_time = 0;
    uint32_t changed_seconds = 0;  // monotonic
    uint32_t source : kSourceBits = 0;
    uint32_t fingerprint_bytes : kFingerprintBits = 0;
    uint32_t plain_labels : 1 = 0;
    uint32_t begun : 1 = 0;

    InodeKey key() const { return handle->key(); }
    const pipeline::StageState* stage_state() const { return rest ? rest->stage_state.get() : nullptr; }
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
  HashIndex<uint64_t> by_inode_, by_lineage_;  // ids
};

}  // namespace agent
