// DistinctMetadata: numbers the different metadata of entries in order of appearance, as long as there are few: most
// entries repeat one of a handful, and what was found out about it need not be found out again.
//
//   const uint32_t n = distinct.number_of(metadata.encoded());
//   if (n == facts.size()) facts.push_back(...);   // new
//
// Thread: one at a time. Limits: kMost of kLongest bytes; number_of() answers kNone for what is beyond.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace server {

class DistinctMetadata {
 public:
  static constexpr size_t kMost = 128, kLongest = 1 << 10;
  static constexpr uint32_t kNone = UINT32_MAX;

  // `encoded`: as MetadataView has it.
  uint32_t number_of(std::string_view encoded) {
    for (size_t at = slot_of(encoded);; at = (at + 1) % kSlots) {
      const uint8_t slot = slots_[at];
      if (slot == 0) return add(encoded, at);
      if (equal(texts_[slot - 1U], encoded)) return slot - 1U;
    }
  }
  size_t size() const { return texts_.size(); }
  std::string_view operator[](size_t number) const { return texts_[number]; }

  void clear() {
    if (texts_.empty()) return;
    texts_.clear();
    slots_.fill(0);
  }

 private:
  static constexpr size_t kSlots = 2 * kMost;

  // Of the length, the beginning and the end: entries differ in their values, and the last one is at the end.
  static size_t slot_of(std::string_view encoded) {
    uint64_t first = 0, last = 0;
    const size_t n = encoded.size();
    if (n >= sizeof first) [[likely]] {
      first = word(encoded, 0), last = word(encoded, n - sizeof last);
    } else {
      std::memcpy(&first, encoded.data(), n);
    }
    constexpr uint64_t kMultiplier = 0x9e37'79b1'85eb'ca87;
    return ((first ^ std::rotl(last, 29) ^ encoded.size()) * kMultiplier) >> (64 - std::countr_zero(kSlots));
  }

  static uint64_t word(std::string_view text, size_t at) {
    uint64_t bytes;
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    return bytes;
  }

  // Most are 16 to 32 bytes long: two halves of two words, which may overlap.
  static bool equal(std::string_view one, std::string_view other) {
    const size_t n = one.size();
    if (n != other.size()) return false;
    if (n < 16 || n > 32) return one == other;
    const auto differ = [&](size_t at) { return word(one, at) ^ word(other, at); };
    return (differ(0) | differ(8) | differ(n - 16) | differ(n - 8)) == 0;
  }

  uint32_t add(std::string_view encoded, size_t slot) {
    if (texts_.size() == kMost || encoded.size() > kLongest) return kNone;
    texts_.emplace_back(encoded);
    slots_[slot] = static_cast<uint8_t>(texts_.size());
    return static_cast<uint32_t>(texts_.size() - 1);
  }

  std::vector<std::string> texts_;
  std::array<uint8_t, kSlots> slots_{};  // number + 1; 0: free
};

}  // namespace server
