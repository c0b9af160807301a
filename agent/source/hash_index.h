// HashIndex: words (ids, places in a table) by some hash of what they stand for, in one or two words of room each.
// Several may have one hash.
//
// Thread: as a map.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace agent {

// Any words but the lowest and the highest there are.
template <std::unsigned_integral Word>
class HashIndex {
 public:
  using HashOf = std::function<uint64_t(Word)>;  // of words that are in it
  explicit HashIndex(HashOf hash_of) : hash_of_(std::move(hash_of)) {}

  // Linear probing stays short up to some four fifths.
  void add(Word word) {
    if (slots_.empty() || (taken_ + 1) * 5 > slots_.size() * 4) resize(std::max(kFirstSlots, words_ + words_ / 2 + 1));
    insert(word);
    ++words_;
  }

  void remove(Word word) {  // while hash_of still knows it
    for (size_t at = place_of(word); slots_[at] != kFree; at = (at + 1) % slots_.size()) {
      if (slots_[at] != word) continue;
      slots_[at] = kRemoved;
      --words_;
      return;
    }
  }

  // Those of this hash, and perhaps some others.
  template <class Visit>
  void visit(uint64_t hash, Visit visit) const {
    if (slots_.empty()) return;
    for (size_t at = spread(hash) % slots_.size(); slots_[at] != kFree; at = (at + 1) % slots_.size())
      if (slots_[at] != kRemoved) visit(slots_[at]);
  }

 private:
  static constexpr Word kFree = 0, kRemoved = static_cast<Word>(~Word{0});
  static constexpr size_t kFirstSlots = 64;

  static uint64_t spread(uint64_t hash) { return (hash ^ hash >> 32) * 0x9e3779b97f4a7c15ULL >> 16; }
  size_t place_of(Word word) const { return spread(hash_of_(word)) % slots_.size(); }

  void insert(Word word) {
    size_t at = place_of(word);
    while (slots_[at] != kFree) at = (at + 1) % slots_.size();
    slots_[at] = word;
    ++taken_;
  }

  void resize(size_t slots) {
    const std::vector<Word> old = std::exchange(slots_, std::vector<Word>(slots, kFree));
    taken_ = 0;
    for (Word word : old)
      if (word != kFree && word != kRemoved) insert(word);
  }

  const HashOf hash_of_;
  std::vector<Word> slots_;
  size_t taken_ = 0;  // slots that are not free
  size_t words_ = 0;
};

}  // namespace agent
