// HashIndex: words (ids, places in a table) by some hash of what they stand for, in one or two words of room each, and
// four bytes for a part of the hash: what a word stands for, often far away in memory, is looked at only if it is
// likely the one. Several may have one hash.
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
    insert(word, spread(hash_of_(word)));
    ++words_;
  }

  void remove(Word word) {  // while hash_of still knows it
    for (size_t at = place_of(spread(hash_of_(word))); slots_[at] != kFree; at = next(at)) {
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
    const uint32_t wanted = spread(hash);
    for (size_t at = place_of(wanted); slots_[at] != kFree; at = next(at))
      if (hashes_[at] == wanted && slots_[at] != kRemoved) visit(slots_[at]);
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (Word word : slots_)
      if (word != kFree && word != kRemoved) visit(word);
  }

 private:
  static constexpr Word kFree = 0, kRemoved = static_cast<Word>(~Word{0});
  static constexpr size_t kFirstSlots = 64;

  static uint32_t spread(uint64_t hash) {
    return static_cast<uint32_t>((hash ^ hash >> 32) * 0x9e3779b97f4a7c15ULL >> 32);
  }
  size_t place_of(uint32_t spread_hash) const { return spread_hash * slots_.size() >> 32; }
  size_t next(size_t at) const { return at + 1 == slots_.size() ? 0 : at + 1; }

  void insert(Word word, uint32_t spread_hash) {
    size_t at = place_of(spread_hash);
    while (slots_[at] != kFree) at = next(at);
    slots_[at] = word;
    hashes_[at] = spread_hash;
    ++taken_;
  }

  void resize(size_t slots) {
    const std::vector<Word> words = std::exchange(slots_, std::vector<Word>(slots, kFree));
    const std::vector<uint32_t> hashes = std::exchange(hashes_, std::vector<uint32_t>(slots));
    taken_ = 0;
    for (size_t i = 0; i < words.size(); ++i)
      if (words[i] != kFree && words[i] != kRemoved) insert(words[i], hashes[i]);
  }

  const HashOf hash_of_;
  std::vector<Word> slots_;
  std::vector<uint32_t> hashes_;  // of those in the slots; up to 2^32 slots
  size_t taken_ = 0;              // slots that are not free
  size_t words_ = 0;
};

}  // namespace agent
