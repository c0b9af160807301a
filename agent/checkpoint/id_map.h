// IdMap: values by an id that is given in rising order, as FileId is. For tables that have an entry for each of very
// many files: an entry takes the id and the value and, where ids are dense, some 3 bytes more.
//
// Entries lie sorted in pages of up to kPageIds consecutive ids, each an array that grows as they come.
//
// Thread: as a map. A pointer to a value is good until an entry is added or removed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace agent {

// `Id` has a member `value`, an unsigned number.
template <class Id, class Value>
class IdMap {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  bool contains(Id id) const { return find(id) != nullptr; }

  const Value* find(Id id) const { return const_cast<IdMap*>(this)->find(id); }
  Value* find(Id id) {
    auto page = pages_.find(page_of(id));
    if (page == pages_.end()) return nullptr;
    auto entry = place_in(page->second, id);
    return entry != page->second.end() && entry->first == id.value ? &entry->second : nullptr;
  }

  // The value of `id`, and whether it was added just now.
  std::pair<Value*, bool> try_emplace(Id id) {
    Page& page = pages_[page_of(id)];
    auto entry = place_in(page, id);
    if (entry != page.end() && entry->first == id.value) return {&entry->second, false};
    ++size_;
    return {&page.emplace(entry, id.value, Value())->second, true};
  }
  Value& operator[](Id id) { return *try_emplace(id).first; }

  bool erase(Id id) {
    auto page = pages_.find(page_of(id));
    if (page == pages_.end()) return false;
    auto entry = place_in(page->second, id);
    if (entry == page->second.end() || entry->first != id.value) return false;
    page->second.erase(entry);
    --size_;
    if (page->second.empty())
      pages_.erase(page);
    else if (page->second.size() * 4 <= page->second.capacity())
      page->second.shrink_to_fit();
    return true;
  }

  // In the order of the ids; nothing may be added or removed meanwhile.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto& [number, page] : pages_)
      for (auto& [id, value] : page) visit(Id{id}, value);
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [number, page] : pages_)
      for (const auto& [id, value] : page) visit(Id{id}, value);
  }

 private:
  static constexpr uint64_t kPageIds = 32;
  using Page = std::vector<std::pair<uint64_t, Value>>;

  static uint64_t page_of(Id id) { return static_cast<uint64_t>(id.value) / kPageIds; }
  static auto place_in(Page& page, Id id) {
    return std::lower_bound(page.begin(), page.end(), static_cast<uint64_t>(id.value),
                            [](const auto& entry, uint64_t wanted) { return entry.first < wanted; });
  }

  std::map<uint64_t, Page> pages_;
  size_t size_ = 0;
};

}  // namespace agent
