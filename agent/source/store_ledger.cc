#include "agent/source/store_ledger.h"

#include <algorithm>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/sink.h"
#include "pipeline/base/log.h"

namespace agent {

namespace {
FileIdentity identity_of(const FileRecord& record) {
  return {{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
}

void set_identity(FileRecord& record, const FileIdentity& identity) {
  record.dev = identity.key.device;
  record.inode = identity.key.inode;
  record.fingerprint = identity.fingerprint;
  record.fingerprint_length = identity.fingerprint_bytes;
}
}  // namespace

StoreLedger::StoreLedger(CheckpointStore& store, std::vector<Sink*> sinks) : store_(store), sinks_(std::move(sinks)) {
  for (const auto& [id, record] : store_.resume().files) {
    unclaimed_.emplace(InodeKey{record.dev, record.inode}, id);
    records_[id] = record;
    last_birth_order_ = std::max(last_birth_order_, record.birth_order);
  }
}

bool StoreLedger::knows(const SourceOptions& source, InodeKey key) const {
  std::lock_guard lock(mutex_);
  for (auto [it, last] = unclaimed_.equal_range(key); it != last; ++it) {
    if (records_.at(it->second).source == source.name && !released_.contains(it->second)) return true;
  }
  return false;
}

std::optional<KnownFile> StoreLedger::find(const SourceOptions& source, InodeKey key, const std::string& path,
                                           std::string_view head, uint64_t size_bytes) {
  std::lock_guard lock(mutex_);
  auto best = unclaimed_.end();
  for (auto [it, last] = unclaimed_.equal_range(key); it != last; ++it) {
    const FileRecord& record = records_.at(it->second);
    FileIdentity identity = identity_of(record);
    if (record.source != source.name || !identity.matches(key, head)) continue;
    if (identity.is_weak() && !in_same_folder(record.path, path)) continue;
    if (highest_position(it->second, source) > size_bytes) continue;  // shorter than what was read: another file
    if (best != unclaimed_.end() && records_.at(best->second).fingerprint_length >= identity.fingerprint_bytes)
      continue;
    best = it;
  }
  if (best == unclaimed_.end()) return std::nullopt;
  KnownFile known = known_file(best->second, source);
  unclaimed_.erase(best);
  if (auto released = released_.find(known.id); released != released_.end()) {
    known.position = released->second;  // what is below is on its way, perhaps not acknowledged
    released_.erase(released);
  }
  return known;
}

KnownFile StoreLedger::known_file(FileId file, const SourceOptions& source) const {
  const FileRecord& record = records_.at(file);
  KnownFile known;
  known.id = file;
  known.identity = identity_of(record);
  known.path = record.path;
  known.birth_order = record.birth_order;
  std::optional<uint64_t> lowest;
  for (size_t sink : source.sinks) {
    auto position = sinks_[sink]->position(file);
    if (!position) continue;  // a sink that is new, or has never been given anything of it
    lowest = std::min(lowest.value_or(position->position), position->position);
    known.last_read_time = std::max(known.last_read_time, position->last_read_time);
  }
  known.position = lowest.value_or(0);
  return known;
}

uint64_t StoreLedger::highest_position(FileId file, const SourceOptions& source) const {
  uint64_t highest = 0;
  for (size_t sink : source.sinks) {
    auto position = sinks_[sink]->position(file);
    if (position) highest = std::max(highest, position->position);
  }
  return highest;
}

FileId StoreLedger::adopt(const SourceOptions& source, const FileIdentity& identity, const std::string& path,
                          uint64_t birth_order) {
  FileRecord record{.source = source.name, .path = path, .birth_order = birth_order};
  set_identity(record, identity);
  FileId id = store_.add_file(record);
  std::lock_guard lock(mutex_);
  records_[id] = std::move(record);
  return id;
}

void StoreLedger::update(FileId file, const FileIdentity& identity) {
  FileRecord record;
  {
    std::lock_guard lock(mutex_);
    auto found = records_.find(file);
    if (found == records_.end()) return;
    set_identity(found->second, identity);
    record = found->second;
  }
  store_.update_file(file, std::move(record));
}

void StoreLedger::release(FileId file, uint64_t position) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(file);
  if (found == records_.end()) return;
  unclaimed_.emplace(InodeKey{found->second.dev, found->second.inode}, file);
  released_[file] = position;
}

void StoreLedger::set_sinks(std::vector<Sink*> sinks, std::vector<Sink*> retiring) {
  std::lock_guard lock(mutex_);
  sinks_ = std::move(sinks);
  retiring_ = std::move(retiring);
}

void StoreLedger::finished(FileId file, uint64_t end) {
  std::lock_guard lock(mutex_);
  endings_.push_back({file, end});
}

void StoreLedger::first_scan_done(const std::set<std::string>& sources) {
  std::lock_guard lock(mutex_);
  std::erase_if(unclaimed_, [&](const auto& entry) {
    const FileRecord& record = records_.at(entry.second);
    if (!sources.contains(record.source)) return false;
    pipeline::log_info("file is gone since the last run; what was written to it after our last read is lost",
                       {{"source", record.source}, {"path", record.path}, {"inode", record.inode}});
    endings_.push_back({entry.second, 0});
    return true;
  });
}

uint64_t StoreLedger::last_birth_order() const { return last_birth_order_; }

bool StoreLedger::all_sinks_past(const Ending& ending) const {
  auto past = [&](const Sink* sink) {
    if (sink == nullptr) return true;
    auto position = sink->position(ending.file);
    return !position || position->position >= ending.end;
  };
  return std::all_of(sinks_.begin(), sinks_.end(), past) && std::all_of(retiring_.begin(), retiring_.end(), past);
}

void StoreLedger::sweep() {
  std::vector<FileId> done;
  std::vector<Sink*> sinks;
  {
    std::lock_guard lock(mutex_);
    sinks = sinks_;
    sinks.insert(sinks.end(), retiring_.begin(), retiring_.end());
    std::erase_if(endings_, [&](const Ending& ending) {
      if (!all_sinks_past(ending)) return false;
      done.push_back(ending.file);
      records_.erase(ending.file);
      return true;
    });
  }
  for (FileId file : done) {
    for (Sink* sink : sinks)
      if (sink != nullptr) sink->forget(file);
    store_.forget_file(file);
  }
}

}  // namespace agent
