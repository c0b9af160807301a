#include "agent/discovery/name_table.h"

#include <algorithm>
#include <iterator>

namespace agent {

using pipeline::SharedText;

size_t NameTable::size() const {
  size_t names = 0;
  for (const Page& page : pages_) names += page.size();
  return names;
}

NameTable::Place NameTable::first_from(std::string_view path) const {
  auto page =
      std::partition_point(pages_.begin(), pages_.end(), [&](const Page& p) { return p.back().path.view() < path; });
  if (page == pages_.end()) return {pages_.size(), 0};
  auto entry = std::partition_point(page->begin(), page->end(), [&](const Name& n) { return n.path.view() < path; });
  return {static_cast<size_t>(page - pages_.begin()), static_cast<size_t>(entry - page->begin())};
}

Name* NameTable::find(std::string_view path) {
  const Place at = first_from(path);
  if (at.page == pages_.size()) return nullptr;
  Name& name = pages_[at.page][at.entry];
  return name.path == path ? &name : nullptr;
}

// A full page is split in halves; one that grows at its end, as names come in order, gets a successor instead.
Name& NameTable::add(const SharedText& path) {
  Place at = first_from(path);
  if (at.page < pages_.size() && pages_[at.page][at.entry].path == path) return pages_[at.page][at.entry];
  if (at.entry == 0 && at.page > 0 && pages_[at.page - 1].size() < kPageNames)
    at = {at.page - 1, pages_[at.page - 1].size()};
  const auto page = pages_.begin() + static_cast<std::ptrdiff_t>(at.page);
  if (page == pages_.end()) {
    pages_.emplace_back();
    at = {pages_.size() - 1, 0};
  } else if (page->size() == kPageNames && at.entry == 0) {
    pages_.insert(page, Page());
  } else if (page->size() == kPageNames) {
    const auto middle = page->begin() + kPageNames / 2;
    Page second(std::make_move_iterator(middle), std::make_move_iterator(page->end()));
    page->erase(middle, page->end());
    page->shrink_to_fit();
    if (at.entry > kPageNames / 2) at = {at.page + 1, at.entry - kPageNames / 2};
    pages_.insert(page + 1, std::move(second));
  }
  Page& names = pages_[at.page];
  if (names.size() == names.capacity()) names.reserve(names.size() + kGrowth);
  Name name;
  name.path = path;
  return *names.insert(names.begin() + static_cast<std::ptrdiff_t>(at.entry), std::move(name));
}

void NameTable::remove(std::string_view path) {
  const Place at = first_from(path);
  if (at.page == pages_.size()) return;
  Page& page = pages_[at.page];
  if (page[at.entry].path != path) return;
  page.erase(page.begin() + static_cast<std::ptrdiff_t>(at.entry));
  if (page.empty())
    pages_.erase(pages_.begin() + static_cast<std::ptrdiff_t>(at.page));
  else if (page.capacity() - page.size() >= 2 * kGrowth)
    page.shrink_to_fit();
}

}  // namespace agent
