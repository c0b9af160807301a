#include "agent/discovery/held_file.h"

#include <algorithm>
#include <utility>

namespace agent {

using pipeline::SharedText;

std::span<const SharedText> HeldFile::names() const {
  if (more_ && !more_->names.empty()) return more_->names;
  return {&name_, name_.empty() ? size_t{0} : size_t{1}};
}

bool HeldFile::has_name(std::string_view name) const {
  return std::any_of(names().begin(), names().end(), [&](const SharedText& other) { return other == name; });
}

void HeldFile::add_name(const SharedText& name) {
  if (has_name(name)) return;
  std::vector<SharedText> all(names().begin(), names().end());
  all.insert(std::upper_bound(all.begin(), all.end(), name), name);
  set_names(std::move(all));
}

void HeldFile::remove_name(std::string_view name) {
  std::vector<SharedText> all(names().begin(), names().end());
  std::erase_if(all, [&](const SharedText& other) { return other == name; });
  set_names(std::move(all));
}

std::span<HeldFile::Offer> HeldFile::offers() {
  if (more_ && !more_->offers.empty()) return more_->offers;
  return {&offer_, offer_.id ? size_t{1} : size_t{0}};
}

void HeldFile::add_offer(Offer offer) {
  std::vector<Offer> all;
  for (Offer& other : offers()) all.push_back(std::move(other));
  all.push_back(std::move(offer));
  set_offers(std::move(all));
}

HeldFile::More& HeldFile::more() {
  if (!more_) more_ = std::make_unique<More>();
  return *more_;
}

void HeldFile::drop_more_if_empty() {
  if (more_ && more_->names.empty() && more_->offers.empty()) more_.reset();
}

void HeldFile::set_names(std::vector<SharedText> names) {
  name_ = {};
  if (more_) more_->names.clear();
  if (names.size() > 1)
    more().names = std::move(names);
  else if (names.size() == 1)
    name_ = std::move(names.front());
  drop_more_if_empty();
}

void HeldFile::set_offers(std::vector<Offer> offers) {
  offer_ = {};
  if (more_) more_->offers.clear();
  if (offers.size() > 1)
    more().offers = std::move(offers);
  else if (offers.size() == 1)
    offer_ = std::move(offers.front());
  drop_more_if_empty();
}

HeldFiles::HeldFiles()
    : by_inode_([this](Place place) { return static_cast<uint64_t>(std::hash<InodeKey>()(file(place).key())); }) {}

HeldFile* HeldFiles::find(InodeKey key) {
  for (Place place : {last_found_, last_found_ + 1})
    if (place > 0 && place <= files_.size() && file(place).handle && file(place).key() == key)
      return &file(last_found_ = place);
  HeldFile* found = nullptr;
  by_inode_.visit(std::hash<InodeKey>()(key), [&](Place place) {
    if (file(place).key() == key) found = &file(last_found_ = place);
  });
  return found;
}

HeldFile& HeldFiles::add(std::shared_ptr<FileHandle> handle) {
  if (free_.empty()) {
    files_.emplace_back();
    free_.push_back(static_cast<Place>(files_.size()));
  }
  const Place place = free_.back();
  free_.pop_back();
  file(place).handle = std::move(handle);
  by_inode_.add(place);
  last_found_ = place;
  ++size_;
  return file(place);
}

void HeldFiles::remove(InodeKey key) {
  std::optional<Place> found;
  by_inode_.visit(std::hash<InodeKey>()(key), [&](Place place) {
    if (file(place).key() == key) found = place;
  });
  if (!found) return;
  by_inode_.remove(*found);
  last_found_ = 0;
  file(*found) = {};
  free_.push_back(*found);
  --size_;
}

}  // namespace agent
