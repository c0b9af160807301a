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
  std::vector<Fresh> decided;
  for (size_t begin = 0, end = 0; begin < fresh_.size(); begin = end) {
    while (end < fresh_.size() && fresh_[end].key == fresh_[begin].key) ++end;
    const FreshFile file = std::span(fresh_).subspan(begin, end - begin);
    for (Fresh& fresh : file) fresh.is_copy = ledger_.is_copy(*sources_[fresh.source].options, fresh.key);
    std::vector<Fresh>& to = may_become_copy(file) ? suspects_ : decided;
    to.insert(to.end(), file.begin(), file.end());
  }
  fresh_ = std::move(decided);
}

bool FileTable::may_become_copy(FreshFile file) {
  const HeldFile& held = files_.at(file.front().key);
  auto& suspected_until = file.front().suspected_until;
  if (!held.offers().empty() || file.front().only_if_known) return false;
  if (suspected_until && *suspected_until <= now_()) return false;
  const std::string head = head_of(held);
  auto is_suspect = [&](const Fresh& fresh) {
    if (fresh.is_copy || sources_[fresh.source].options->type != SourceType::kFile) return false;
    const Offer* live = live_offer_of(held.path, fresh.source);
    return live != nullptr && ledger_.begins_like(live->id, head);
  };
  if (std::none_of(file.begin(), file.end(), is_suspect)) return false;
  if (!suspected_until) suspected_until = now_() + kSuspicion;
  return true;
}

// Of the live file of which `path` is called a rotation.
const FileTable::Offer* FileTable::live_offer_of(std::string_view path, size_t source) const {
  const size_t begin = path.rfind('/') + 1;
  const std::string_view name = path.substr(begin);
  for (size_t i = 1; i < name.size(); ++i) {
    if (!RotatedName::parse(name.substr(0, i), name)) continue;
    const Name* live = names_.find(path.substr(0, begin + i));
    const HeldFile* held = live ? files_.find(live->key) : nullptr;
    if (!held) continue;
    for (const Offer& offer : held->offers())
      if (offer.source == source) return &offer;
  }
  return nullptr;
}

}  // namespace agent
