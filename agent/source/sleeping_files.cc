#include "agent/source/sleeping_files.h"

#include <utility>

#include "pipeline/base/invariant.h"

namespace agent {

namespace {
constexpr uint32_t lowest_bits(int count) { return (uint32_t{1} << count) - 1; }

uint64_t hash_of(InodeKey key) { return std::hash<InodeKey>()(key); }
uint64_t hash_of(Lineage lineage) { return lineage.value; }
}  // namespace

SleepingFiles::SleepingFiles()
    : by_inode_([this](uint64_t id) { return hash_of(sleepers_.find(FileId{id})->key()); }),
      by_lineage_([this](uint64_t id) { return hash_of(sleepers_.find(FileId{id})->lineage); }) {}

void SleepingFiles::put(std::unique_ptr<TailedFile> tailed) {
  OfferedFile& file = tailed->file;
  DEBUG_INVARIANT(file.identity.key == file.handle->key());
  INVARIANT(file.source <= lowest_bits(kSourceBits));
  Sleeper& sleeper = sleepers_[file.id];
  sleeper.handle = std::move(file.handle);
  if (tailed->path_metrics || tailed->stage_state || !file.labels.empty()) {
    sleeper.rest = std::make_unique<Sleeper::Rest>();
    sleeper.rest->path_metrics = std::move(tailed->path_metrics);
    sleeper.rest->stage_state = std::move(tailed->stage_state);
    sleeper.rest->labels = std::move(file.labels);
  }
  sleeper.path = std::move(file.path);
  sleeper.fingerprint = file.identity.fingerprint;
  sleeper.fingerprint_bytes = file.identity.fingerprint_bytes & lowest_bits(kFingerprintBits);
  sleeper.lineage = file.lineage;
  sleeper.birth_order = file.birth_order;
  sleeper.position = tailed->cursor.position;
  sleeper.last_read_time = tailed->last_read_time;
  sleeper.changed_seconds =
      static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(tailed->changed_at).count());
  sleeper.source = static_cast<uint32_t>(file.source) & lowest_bits(kSourceBits);
  sleeper.plain_labels = file.plain_labels ? 1 : 0;
  sleeper.begun = tailed->begun ? 1 : 0;
  by_inode_.add(file.id.value);
  by_lineage_.add(file.id.value);
}

std::unique_ptr<TailedFile> SleepingFiles::take(FileId id) {
  Sleeper* there = sleepers_.find(id);
  if (there == nullptr) return nullptr;
  by_inode_.remove(id.value);
  by_lineage_.remove(id.value);
  Sleeper sleeper = std::move(*there);
  sleepers_.erase(id);
  OfferedFile file;
  file.id = id;
  file.identity = {sleeper.key(), sleeper.fingerprint, sleeper.fingerprint_bytes};
  file.handle = std::move(sleeper.handle);
  file.path = std::move(sleeper.path);
  file.lineage = sleeper.lineage;
  file.birth_order = sleeper.birth_order;
  file.source = sleeper.source;
  if (sleeper.rest) file.labels = std::move(sleeper.rest->labels);
  file.position = sleeper.position;
  file.last_read_time = sleeper.last_read_time;
  file.plain_labels = sleeper.plain_labels != 0;
  auto tailed = std::make_unique<TailedFile>(std::move(file));
  tailed->size_bytes = tailed->counted_bytes = sleeper.position;
  tailed->begun = sleeper.begun != 0;
  tailed->changed_at = sleeper.changed_at();
  if (sleeper.rest) {
    tailed->stage_state = std::move(sleeper.rest->stage_state);
    tailed->path_metrics = std::move(sleeper.rest->path_metrics);
  }
  return tailed;
}

std::vector<FileId> SleepingFiles::at_inode(InodeKey key) const {
  std::vector<FileId> ids;
  by_inode_.visit(hash_of(key), [&](uint64_t id) {
    if (sleepers_.find(FileId{id})->key() == key) ids.push_back(FileId{id});
  });
  return ids;
}

std::optional<FileId> SleepingFiles::of_lineage(Lineage lineage) const {
  std::optional<FileId> found;
  by_lineage_.visit(hash_of(lineage), [&](uint64_t id) {
    if (sleepers_.find(FileId{id})->lineage == lineage) found = FileId{id};
  });
  return found;
}

}  // namespace agent
