#include "agent/source/sleeping_files.h"

#include <algorithm>
#include <utility>

namespace agent {

namespace {
constexpr size_t kFirstSlots = 64;

uint64_t spread(uint64_t hash) { return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ULL >> 16; }
uint64_t hash_of(InodeKey key) { return spread(std::hash<InodeKey>()(key)); }
uint64_t hash_of(Lineage lineage) { return spread(lineage.value); }
}  // namespace

void IdIndex::insert(FileId id) {
  size_t at = hash_of_(id) % slots_.size();
  while (slots_[at] != kFree) at = (at + 1) % slots_.size();
  slots_[at] = id.value;
  ++taken_;
}

// Linear probing stays short up to some four fifths.
void IdIndex::add(FileId id) {
  if (slots_.empty() || (taken_ + 1) * 5 > slots_.size() * 4) resize(std::max(kFirstSlots, ids_ + ids_ / 2 + 1));
  insert(id);
  ++ids_;
}

void IdIndex::resize(size_t slots) {
  std::vector<uint64_t> old = std::exchange(slots_, std::vector<uint64_t>(slots, kFree));
  taken_ = 0;
  for (uint64_t id : old)
    if (id != kFree && id != kRemoved) insert(FileId{id});
}

void IdIndex::remove(FileId id) {
  for (size_t at = hash_of_(id) % slots_.size(); slots_[at] != kFree; at = (at + 1) % slots_.size()) {
    if (slots_[at] != id.value) continue;
    slots_[at] = kRemoved;
    --ids_;
    return;
  }
}

SleepingFiles::SleepingFiles()
    : by_inode_([this](FileId id) { return hash_of(sleepers_.find(id)->key); }),
      by_lineage_([this](FileId id) { return hash_of(sleepers_.find(id)->lineage); }) {}

void SleepingFiles::put(std::unique_ptr<TailedFile> tailed) {
  OfferedFile& file = tailed->file;
  auto sleeper = sleepers_.try_emplace(file.id).first;
  *sleeper = {.handle = std::move(file.handle),
              .path_metrics = std::move(tailed->path_metrics),
              .stage_state = std::move(tailed->stage_state),
              .labels = nullptr,
              .path = file.path,
              .key = file.identity.key,
              .fingerprint = file.identity.fingerprint,
              .lineage = file.lineage,
              .birth_order = file.birth_order,
              .position = tailed->cursor.position,
              .last_read_time = tailed->last_read_time,
              .source = static_cast<uint32_t>(file.source),
              .changed_seconds =
                  static_cast<uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(tailed->changed_at).count()),
              .fingerprint_bytes = static_cast<uint16_t>(file.identity.fingerprint_bytes),
              .plain_labels = file.plain_labels,
              .begun = tailed->begun};
  if (!file.labels.empty()) sleeper->labels = std::make_unique<pipeline::LabelSet>(std::move(file.labels));
  by_inode_.add(file.id);
  by_lineage_.add(file.id);
}

std::unique_ptr<TailedFile> SleepingFiles::take(FileId id) {
  Sleeper* there = sleepers_.find(id);
  if (there == nullptr) return nullptr;
  by_inode_.remove(id);
  by_lineage_.remove(id);
  Sleeper sleeper = std::move(*there);
  sleepers_.erase(id);
  OfferedFile file;
  file.handle = std::move(sleeper.handle);
  file.id = id;
  file.identity = {sleeper.key, sleeper.fingerprint, sleeper.fingerprint_bytes};
  file.path = std::move(sleeper.path);
  file.lineage = sleeper.lineage;
  file.birth_order = sleeper.birth_order;
  file.source = sleeper.source;
  if (sleeper.labels) file.labels = std::move(*sleeper.labels);
  file.position = sleeper.position;
  file.last_read_time = sleeper.last_read_time;
  file.plain_labels = sleeper.plain_labels;
  auto tailed = std::make_unique<TailedFile>(std::move(file));
  tailed->size_bytes = tailed->counted_bytes = sleeper.position;
  tailed->begun = sleeper.begun;
  tailed->stage_state = std::move(sleeper.stage_state);
  tailed->changed_at = sleeper.changed_at();
  tailed->path_metrics = std::move(sleeper.path_metrics);
  return tailed;
}

std::vector<FileId> SleepingFiles::at_inode(InodeKey key) const {
  std::vector<FileId> ids;
  by_inode_.visit(hash_of(key), [&](FileId id) {
    if (sleepers_.find(id)->key == key) ids.push_back(id);
  });
  return ids;
}

std::optional<FileId> SleepingFiles::of_lineage(Lineage lineage) const {
  std::optional<FileId> found;
  by_lineage_.visit(hash_of(lineage), [&](FileId id) {
    if (sleepers_.find(id)->lineage == lineage) found = id;
  });
  return found;
}

}  // namespace agent
