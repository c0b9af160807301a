// FileTable, the part about copies of files that are read (copytruncate).
#include <algorithm>

#include "agent/discovery/file_table.h"
#include "agent/source/rotated_name.h"

namespace agent {

namespace {
constexpr std::chrono::seconds kSuspicion{30};  // copying a large file takes its time
}

// Takes out of fresh_ what may be a copy, and puts back what was decided.
void FileTable::sort_out_copies() {
  fresh_.insert(fresh_.end(), suspects_.begin(), suspects_.end());
  suspects_.clear();
  if (first_scan_) return;
  std::erase_if(fresh_, [&](InodeKey key) {
    auto held = files_.find(key);
    if (held == files_.end()) return true;
    if (!held->second.fresh) return false;
    auto is_copy = [&](size_t source) { return ledger_.is_copy(*sources_[source].options, key); };
    std::erase_if(held->second.fresh->wanted_by, is_copy);
    if (!may_become_copy(held->second)) return false;
    suspects_.push_back(key);
    return true;
  });
}

bool FileTable::may_become_copy(Held& held) {
  Fresh& fresh = *held.fresh;
  if (!held.offers.empty() || fresh.only_if_known) return false;
  if (fresh.suspected_until && *fresh.suspected_until <= now_()) return false;
  const std::string head = head_of(held);
  auto is_suspect = [&](size_t source) {
    if (sources_[source].options->type != SourceType::kFile) return false;
    const Offer* live = live_offer_of(held.path, source);
    return live != nullptr && ledger_.begins_like(live->id, head);
  };
  if (std::none_of(fresh.wanted_by.begin(), fresh.wanted_by.end(), is_suspect)) return false;
  if (!fresh.suspected_until) fresh.suspected_until = now_() + kSuspicion;
  return true;
}

// Of the live file of which `path` is called a rotation.
const FileTable::Offer* FileTable::live_offer_of(const std::string& path, size_t source) const {
  const size_t begin = path.rfind('/') + 1;
  const std::string_view name = std::string_view(path).substr(begin);
  for (size_t i = 1; i < name.size(); ++i) {
    if (!RotatedName::parse(name.substr(0, i), name)) continue;
    auto live = names_.find(path.substr(0, begin + i));
    auto held = live == names_.end() ? files_.end() : files_.find(live->second.key);
    if (held == files_.end()) continue;
    for (const Offer& offer : held->second.offers)
      if (offer.source == source) return &offer;
  }
  return nullptr;
}

}  // namespace agent
