#include "agent/source/deleted_files.h"

namespace agent {

DeletedFiles::DeletedFiles(uint64_t limit_bytes, pipeline::Registry& metrics)
    : limit_bytes_(limit_bytes),
      held_gauge_(metrics.gauge("skidway_agent_source_deleted_unread_bytes",
                                "Unread bytes of deleted files, which are on disk for our handles only.")) {}

void DeletedFiles::set_limit(uint64_t limit_bytes) {
  std::lock_guard lock(mutex_);
  limit_bytes_ = limit_bytes;
  condemn_oldest();
}

bool DeletedFiles::hold(FileId file, uint64_t unread_bytes) {
  std::lock_guard lock(mutex_);
  auto [it, fresh] = by_file_.try_emplace(file);
  if (fresh) it->second = held_.insert(held_.end(), Held{.file = file});
  Held& held = *it->second;
  if (!held.condemned) {
    held_bytes_ += unread_bytes - held.unread_bytes;
    held.unread_bytes = unread_bytes;
    condemn_oldest();
  }
  return !held.condemned;
}

void DeletedFiles::forget(FileId file) {
  std::lock_guard lock(mutex_);
  auto found = by_file_.find(file);
  if (found == by_file_.end()) return;
  if (!found->second->condemned) held_bytes_ -= found->second->unread_bytes;
  held_.erase(found->second);
  by_file_.erase(found);
  held_gauge_.set(static_cast<int64_t>(held_bytes_));
}

void DeletedFiles::condemn_oldest() {
  for (Held& held : held_) {
    if (held_bytes_ <= limit_bytes_) break;
    if (held.condemned || held.unread_bytes == 0) continue;
    held.condemned = true;
    held_bytes_ -= held.unread_bytes;
  }
  held_gauge_.set(static_cast<int64_t>(held_bytes_));
}

}  // namespace agent
