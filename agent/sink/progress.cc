#include "agent/sink/progress.h"

#include <algorithm>

namespace agent {

namespace {
constexpr size_t kMostKept = 1024;  // of the room for changed files, when all are taken
}

Progress::Progress(const std::map<FileId, FilePosition>& known, std::function<void(FilePosition)> first_seen)
    : first_seen_(std::move(first_seen)) {
  for (auto& [id, position] : known)
    files_[id] = {.passed = position.position, .last_read_time = position.last_read_time, .taken = position.position};
}

FilePosition Progress::position_of(FileId id, const File& f) const {
  uint64_t lowest = f.passed;
  if (auto holds = holds_.find(id); holds != holds_.end())
    for (auto& [batch, begin] : holds->second) lowest = std::min(lowest, begin);
  return {id, lowest, f.last_read_time};
}

Progress::File& Progress::file(FileId id, uint64_t first_position) {
  auto [at, is_new] = files_.try_emplace(id);
  File& f = *at;
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
  // What lies before it in its block was dropped, and is noted with the block's end: it is not passed before that.
  const uint64_t passed = file(id, begin).passed;
  if (!is_stream(id)) begin = std::min(begin, passed);
  Holds& holds = holds_[id];
  auto at = std::find_if(holds.begin(), holds.end(), [&](auto& h) { return h.first == batch; });
  if (at == holds.end())
    holds.emplace_back(batch, begin);
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
    File* f = files_.find(id);
    if (f == nullptr) continue;
    if (auto holds = holds_.find(id); holds != holds_.end()) {
      std::erase_if(holds->second, [&](auto& h) { return h.first == batch; });
      if (holds->second.empty()) holds_.erase(holds);
    }
    note_change(id, *f);
  }
}

void Progress::forget(FileId id) {
  std::lock_guard lock(mutex_);
  files_.erase(id);
  holds_.erase(id);
}

std::optional<FilePosition> Progress::position(FileId id) const {
  std::lock_guard lock(mutex_);
  const File* f = files_.find(id);
  if (f == nullptr) return std::nullopt;
  return position_of(id, *f);
}

bool Progress::holds(FileId file) const {
  std::lock_guard lock(mutex_);
  return holds_.contains(file);
}

std::vector<FilePosition> Progress::take_changed() {
  std::lock_guard lock(mutex_);
  std::vector<FilePosition> changed;
  for (FileId id : changed_) {
    File* f = files_.find(id);
    if (f == nullptr || !f->changed) continue;
    f->changed = false;
    FilePosition position = position_of(id, *f);
    if (position.position == f->taken) continue;
    f->taken = position.position;
    changed.push_back(position);
  }
  changed_.clear();
  if (changed_.capacity() > kMostKept) changed_ = std::vector<FileId>();
  return changed;
}

}  // namespace agent
