// FileTable, the part about copies of files that are read (copytruncate).
#include <algorithm>
#include <iterator>

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
  FreshFiles decided;
  while (!fresh_.empty()) {
    std::vector<Fresh> file;  // what is wanted of one
    do {
      file.push_back(std::move(fresh_.front()));
      fresh_.pop_front();
    } while (!fresh_.empty() && fresh_.front().key == file.front().key);
    for (Fresh& fresh : file) fresh.is_copy = ledger_.is_copy(*sources_[fresh.source].options, fresh.key);
    FreshFiles& to = may_become_copy(file) ? suspects_ : decided;
    to.insert(to.end(), std::move_iterator(file.begin()), std::move_iterator(file.end()));
  }
  fresh_ = std::move(decided);
}

bool FileTable::may_become_copy(std::span<Fresh> file) {
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
