#include "agent/source/store_ledger.h"

#include <algorithm>
#include <charconv>
#include <sys/stat.h>

#include "agent/checkpoint/checkpoint_store.h"
#include "agent/sink/sink.h"
#include "agent/source/rotated_name.h"
#include "pipeline/base/concat.h"
#include "pipeline/base/log.h"

namespace agent {

using pipeline::SharedText;

namespace {
FileIdentity identity_of(const FileRecord& record) {
  return {{record.dev, record.inode}, record.fingerprint, record.fingerprint_length};
}

// Files withdrawn by a change of the configuration are cursors of their source in the store.
constexpr std::string_view kWithdrawn = "withdrawn/";

// Shorter ones may become alike.
bool alike(const FileIdentity& identity, std::string_view head) {
  if (head.size() < identity.fingerprint_bytes) return true;
  return identity.fingerprint_bytes > 0 && identity.matches(identity.key, head);
}

std::string withdrawn_key(FileId file) { return pipeline::concat(kWithdrawn, file.value); }

bool still_there(const SharedText& path, InodeKey key) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && InodeKey{status.st_dev, status.st_ino} == key;
}
}  // namespace

StoreLedger::StoreLedger(CheckpointStore& store, std::vector<Sink*> sinks)
    : store_(store), sinks_(std::move(sinks)), unclaimed_([this](uint64_t id) {
        return static_cast<uint64_t>(std::hash<InodeKey>()(record_of(FileId{id}).identity.key));
      }) {
  for (const auto& [id, record] : store_.resume().files) {
    records_[id] = {source_name(record.source), record.path, identity_of(record), record.birth_order};
    unclaimed_.add(id.value);
    last_birth_order_ = std::max(last_birth_order_, record.birth_order);
  }
  load_withdrawn();
}

void StoreLedger::load_withdrawn() {
  for (const auto& [source, cursors] : store_.resume().cursors) {
    for (const auto& [key, text] : cursors) {
      uint64_t id = 0;
      if (!key.starts_with(kWithdrawn)) continue;
      std::from_chars(key.data() + kWithdrawn.size(), key.data() + key.size(), id);
      if (records_.contains(FileId{id}))
        withdrawn_.insert(FileId{id});
      else
        store_.save_cursor(source, key, "");
    }
  }
}

SharedText StoreLedger::source_name(const SharedText& name) { return *source_names_.emplace(name).first; }

FileRecord StoreLedger::file_record(const Record& record) {
  return {.source = record.source,
          .dev = record.identity.key.device,
          .inode = record.identity.key.inode,
          .fingerprint = record.identity.fingerprint,
          .fingerprint_length = record.identity.fingerprint_bytes,
          .path = record.path,
          .birth_order = record.birth_order};
}

template <class Visit>
void StoreLedger::visit_unclaimed(InodeKey key, Visit visit) const {
  unclaimed_.visit(std::hash<InodeKey>()(key), [&](uint64_t id) {
    const Record& record = record_of(FileId{id});
    if (record.identity.key == key) visit(FileId{id}, record);
  });
}

bool StoreLedger::knows(const SourceOptions& source, InodeKey key) const {
  std::lock_guard lock(mutex_);
  bool known = false;
  visit_unclaimed(
      key, [&](FileId id, const Record& record) { known |= record.source == source.name && !withdrawn_.contains(id); });
  return known;
}

std::optional<KnownFile> StoreLedger::find(const SourceOptions& source, InodeKey key, const SharedText& path,
                                           std::string_view head, uint64_t size_bytes) {
  std::lock_guard lock(mutex_);
  FileId best;
  visit_unclaimed(key, [&](FileId id, const Record& record) {
    const FileIdentity& identity = record.identity;
    if (record.source != source.name || !identity.matches(key, head)) return;
    if (identity.is_weak() && !in_same_folder(record.path, path)) return;
    if (highest_position(id, source) > size_bytes) return;  // shorter than what was read: another file
    if (is_blank(id, source, head) && !is_name_or_rotation(record.path, path)) return;
    if (best && record_of(best).identity.fingerprint_bytes >= identity.fingerprint_bytes) return;
    best = id;
  });
  if (!best) return std::nullopt;
  if (Record& record = *records_.find(best); record.path == path) record.path = path;  // one copy of it
  KnownFile known = known_file(best, source);
  known.is_anew = known.path == path && is_blank(known.id, source, head);
  if (auto released = released_.find(known.id); released != released_.end()) {
    known.position = released->second.position;  // what is below is on its way, perhaps not acknowledged
    known.cut_line_at = released->second.cut_line_at;
  }
  take(known.id);
  return known;
}

// Found: it is nobody's no more.
void StoreLedger::take(FileId file) {
  unclaimed_.remove(file.value);
  released_.erase(file);
  if (withdrawn_.erase(file) > 0) store_.save_cursor(record_of(file).source.str(), withdrawn_key(file), "");
}

std::vector<KnownFile> StoreLedger::missing(const SourceOptions& source) const {
  std::lock_guard lock(mutex_);
  std::vector<KnownFile> all;
  unclaimed_.for_each([&](uint64_t id) {
    if (record_of(FileId{id}).source == source.name && !withdrawn_.contains(FileId{id}))
      all.push_back(known_file(FileId{id}, source));
  });
  return all;
}

void StoreLedger::claim(FileId file) {
  std::lock_guard lock(mutex_);
  take(file);
}

void StoreLedger::give_back(FileId file) {
  std::lock_guard lock(mutex_);
  if (const Record* found = records_.find(file)) put_back(file, *found);
}

void StoreLedger::put_back(FileId file, const Record& record) {
  bool there = false;
  visit_unclaimed(record.identity.key, [&](FileId other, const Record&) { there |= other == file; });
  if (!there) unclaimed_.add(file.value);
}

bool StoreLedger::begins_like(FileId file, std::string_view head) const {
  std::lock_guard lock(mutex_);
  const Record* found = records_.find(file);
  return found != nullptr && alike(found->identity, head);
}

bool StoreLedger::is_copy(const SourceOptions& source, InodeKey key) const {
  std::lock_guard lock(mutex_);
  return copies_.contains({key, source.name});
}

KnownFile StoreLedger::known_file(FileId file, const SourceOptions& source) const {
  const Record& record = record_of(file);
  KnownFile known;
  known.id = file;
  known.identity = record.identity;
  known.path = record.path;
  known.birth_order = record.birth_order;
  known.known_until = store_.known_until(record.source.view(), file);
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

// What was released in this run may be read further than is acknowledged.
bool StoreLedger::is_blank(FileId file, const SourceOptions& source, std::string_view head) const {
  auto released = released_.find(file);
  const uint64_t read_bytes = released == released_.end() ? highest_position(file, source) : released->second.position;
  return record_of(file).identity.is_blank(head, read_bytes);
}

FileId StoreLedger::adopt(const SourceOptions& source, const FileIdentity& identity, const SharedText& path,
                          uint64_t birth_order) {
  Record record{source.name, path, identity, birth_order};
  FileId id = store_.add_file(file_record(record));
  std::lock_guard lock(mutex_);
  record.source = source_name(source.name);
  records_[id] = std::move(record);
  return id;
}

void StoreLedger::set_birth_order(FileId file, uint64_t birth_order) {
  FileRecord record;
  {
    std::lock_guard lock(mutex_);
    Record* found = records_.find(file);
    if (found == nullptr) return;
    found->birth_order = birth_order;
    if (found->identity.fingerprint_bytes == 0) return;  // still empty: noted when it has grown
    record = file_record(*found);
  }
  store_.update_file(file, std::move(record));
}

void StoreLedger::update(FileId file, const FileIdentity& identity) {
  FileRecord record;
  {
    std::lock_guard lock(mutex_);
    Record* found = records_.find(file);
    if (found == nullptr) return;
    if (identity.key != found->identity.key) copies_.emplace(identity.key, found->source.str());
    found->identity = identity;
    record = file_record(*found);
  }
  store_.update_file(file, std::move(record));
}

void StoreLedger::release(FileId file, uint64_t position, std::optional<uint64_t> cut_line_at) {
  std::lock_guard lock(mutex_);
  const Record* found = records_.find(file);
  if (found == nullptr) return;
  put_back(file, *found);
  released_[file] = {position, cut_line_at};
  withdrawn_.insert(file);
  store_.save_cursor(found->source.str(), withdrawn_key(file), "1");
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
  unkept_.insert(sources.begin(), sources.end());
  std::vector<FileId> gone;
  unclaimed_.for_each([&](uint64_t id) {
    const Record& record = record_of(FileId{id});
    if (!sources.contains(record.source.str())) return;
    // Not wanted at present; one that is there may be again, and must not be read anew then.
    const bool withdrawn = withdrawn_.contains(FileId{id});
    if (withdrawn && still_there(record.path, record.identity.key)) return;
    if (!withdrawn)
      pipeline::log_info("file is gone since the last run; what was written to it after our last read is lost",
                         {{"source", record.source}, {"path", record.path}, {"inode", record.identity.key.inode}});
    gone.push_back(FileId{id});
  });
  for (FileId file : gone) {
    unclaimed_.remove(file.value);
    endings_.push_back({file, 0});
  }
}

void StoreLedger::first_scan_kept(const std::string& source) {
  {
    std::lock_guard lock(mutex_);
    unkept_.erase(source);
  }
  store_.end_first_scan(source);
}

void StoreLedger::forget(FileId file) {
  const Record* found = records_.find(file);
  if (found == nullptr) return;
  const Record record = *found;
  if (withdrawn_.erase(file) > 0) store_.save_cursor(record.source.str(), withdrawn_key(file), "");
  released_.erase(file);
  copies_.erase({record.identity.key, record.source.str()});
  records_.erase(file);
}

void StoreLedger::dropped(const SourceOptions& source, FileId file, std::string_view reason, uint64_t bytes,
                          uint64_t end) {
  for (size_t sink : source.sinks) dropped_by(sink, file, reason, bytes, end);
}

void StoreLedger::dropped_by(size_t sink, FileId file, std::string_view reason, uint64_t bytes, uint64_t end) {
  std::lock_guard lock(mutex_);
  if (sink < sinks_.size() && sinks_[sink] != nullptr)
    store_.losses().note(sinks_[sink]->name(), file, reason, bytes, end);
}

std::map<FileId, FileRecord> StoreLedger::files() const {
  std::lock_guard lock(mutex_);
  std::map<FileId, FileRecord> files;
  records_.for_each([&](FileId id, const Record& record) { files.emplace_hint(files.end(), id, file_record(record)); });
  return files;
}

std::vector<FileId> StoreLedger::file_ids() const {
  std::lock_guard lock(mutex_);
  std::vector<FileId> ids;
  ids.reserve(records_.size());
  records_.for_each([&](FileId id, const Record&) { ids.push_back(id); });
  return ids;
}

std::map<FileId, FileRecord> StoreLedger::files(std::span<const FileId> ids) const {
  std::lock_guard lock(mutex_);
  std::map<FileId, FileRecord> files;
  for (FileId id : ids)
    if (const Record* found = records_.find(id)) files.emplace_hint(files.end(), id, file_record(*found));
  return files;
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
      const Record* found = records_.find(ending.file);
      if (found != nullptr && unkept_.contains(found->source.str())) return false;
      if (!all_sinks_past(ending)) return false;
      done.push_back(ending.file);
      forget(ending.file);
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
