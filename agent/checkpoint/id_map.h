// IdMap: values by an id that is given in rising order, as FileId is. For tables that have an entry for each of very
// many files: where ids are dense, an entry takes the value and some 3 bytes more.
//
// Values lie sorted in pages of kPageIds consecutive ids, each an array that grows as they come; which ids those are
// say the bits of the page.
//
// Thread: as a map. A pointer to a value is good until an entry is added or removed.
#pragma once

#include <bit>
#include <cstdint>
#include <iterator>
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
    return page != pages_.end() && page->second.has(id) ? &page->second.values[page->second.place_of(id)] : nullptr;
  }

  // The value of `id`, and whether it was added just now.
  std::pair<Value*, bool> try_emplace(Id id) {
    Page& page = pages_[page_of(id)];
    const size_t place = page.place_of(id);
    if (page.has(id)) return {&page.values[place], false};
    if (page.values.size() == page.values.capacity()) page.values.reserve(page.values.size() + kGrowth);
    page.values.emplace(page.values.begin() + static_cast<std::ptrdiff_t>(place));
    page.present |= bit_of(id);
    ++size_;
    return {&page.values[place], true};
  }
  Value& operator[](Id id) { return *try_emplace(id).first; }

  bool erase(Id id) {
    auto found = pages_.find(page_of(id));
    if (found == pages_.end() || !found->second.has(id)) return false;
    Page& page = found->second;
    page.values.erase(page.values.begin() + static_cast<std::ptrdiff_t>(page.place_of(id)));
    page.present &= ~bit_of(id);
    --size_;
    if (page.values.empty())
      pages_.erase(found);
    else if (page.values.capacity() - page.values.size() >= 2 * kGrowth)
      page.values.shrink_to_fit();
    return true;
  }

  // In the order of the ids; nothing may be added or removed meanwhile.
  template <class Visit>
  void for_each(Visit visit) {
    for_each(*this, visit);
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for_each(*this, visit);
  }

 private:
  static constexpr uint64_t kPageIds = 64;
  static constexpr size_t kGrowth = 8;

  static uint64_t page_of(Id id) { return static_cast<uint64_t>(id.value) / kPageIds; }
  static uint64_t bit_of(Id id) { return uint64_t{1} << static_cast<uint64_t>(id.value) % kPageIds; }

  struct Page {
    uint64_t present = 0;       // a bit for each id
    std::vector<Value> values;  // of those

    bool has(Id id) const { return (present & bit_of(id)) != 0; }
    size_t place_of(Id id) const { return static_cast<size_t>(std::popcount(present & (bit_of(id) - 1))); }
  };

  template <class Map, class Visit>
  static void for_each(Map& map, Visit& visit) {
    for (auto& [number, page] : map.pages_) {
      uint64_t rest = page.present;
      for (auto& value : page.values) {
        visit(Id{number * kPageIds + static_cast<uint64_t>(std::countr_zero(rest))}, value);
        rest &= rest - 1;
      }
    }
  }

  std::map<uint64_t, Page> pages_;
  size_t size_ = 0;
};

}  // namespace agent
