#include "agent/sink/progress.h"

#include <algorithm>

namespace agent {

Progress::Progress(const std::map<FileId, FilePosition>& known, std::function<void(FilePosition)> first_seen)
    : first_seen_(std::move(first_seen)) {
  for (auto& [id, position] : known)
    files_[id] = {.passed = position.position,
                  .last_read_time = position.last_read_time,
                  .holds = {},
                  .taken = position.position};
}

FilePosition Progress::File::position(FileId id) const {
  uint64_t lowest = passed;
  for (auto& [batch, begin] : holds) lowest = std::min(lowest, begin);
  return {id, lowest, last_read_time};
}

Progress::File& Progress::file(FileId id, uint64_t first_position) {
  auto [at, is_new] = files_.try_emplace(id);
  File& f = at->second;
  if (is_new) {
    f.passed = f.taken = first_position;
    if (!is_stream(id)) first_seen_({id, first_position, 0});
  }
  note_change(id, f);
  return f;
}

void Progress::note_change(FileId id, File& f) {
  if (f.changed || is_stream(id)) return;
  f.changed = true;
  changed_.push_back(id);
}

Progress::Hold Progress::new_hold() {
  std::lock_guard lock(mutex_);
  return ++last_hold_;
}

void Progress::hold(Hold batch, FileId id, uint64_t begin) {
  std::lock_guard lock(mutex_);
  File& f = file(id, begin);
  auto at = std::find_if(f.holds.begin(), f.holds.end(), [&](auto& h) { return h.first == batch; });
  if (at == f.holds.end())
    f.holds.emplace_back(batch, begin);
  else
    at->second = std::min(at->second, begin);
}

void Progress::pass(const FilePosition& passed) {
  std::lock_guard lock(mutex_);
  File& f = file(passed.file, passed.position);
  f.passed = std::max(f.passed, passed.position);  // another sink may be behind: bytes are read for it that we have
  f.last_read_time = passed.last_read_time;
}

void Progress::release(Hold batch, const std::vector<FileId>& files) {
  std::lock_guard lock(mutex_);
  for (FileId id : files) {
    auto at = files_.find(id);
    if (at == files_.end()) continue;
    std::erase_if(at->second.holds, [&](auto& h) { return h.first == batch; });
    note_change(id, at->second);
  }
}

void Progress::forget(FileId id) {
  std::lock_guard lock(mutex_);
  files_.erase(id);
}

std::optional<FilePosition> Progress::position(FileId id) const {
  std::lock_guard lock(mutex_);
  auto at = files_.find(id);
  if (at == files_.end()) return std::nullopt;
  return at->second.position(id);
}

bool Progress::holds(FileId file) const {
  std::lock_guard lock(mutex_);
  auto found = files_.find(file);
  return found != files_.end() && !found->second.holds.empty();
}

std::vector<FilePosition> Progress::take_changed() {
  std::lock_guard lock(mutex_);
  std::vector<FilePosition> changed;
  for (FileId id : changed_) {
    auto at = files_.find(id);
    if (at == files_.end() || !at->second.changed) continue;
    at->second.changed = false;
    FilePosition position = at->second.position(id);
    if (position.position == at->second.taken) continue;
    at->second.taken = position.position;
    changed.push_back(position);
  }
  changed_.clear();
  return changed;
}

}  // namespace agent
