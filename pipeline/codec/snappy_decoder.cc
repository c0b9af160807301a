#include "pipeline/codec/snappy_decoder.h"

#include <array>
#include <cstdint>
#include <cstring>

namespace pipeline {

namespace {

constexpr size_t kChunk = 16;
constexpr size_t kLongest = 64;               // of a copy, and of a literal whose length is in its tag
constexpr size_t kReadMargin = 1 + kLongest;  // read at once at most, with a tag
constexpr uint32_t kShortLiteral = 60;        // tags from here on have the length of a literal behind them
enum Kind : uint32_t { kLiteral = 0, kNearCopy = 1, kCopy = 2, kFarCopy = 3 };

template <class Number>
Number load(const char* from) {
  Number n;
  std::memcpy(&n, from, sizeof n);
  return n;
}

// What a tag says, without a jump: which kind comes next cannot be guessed.
struct Tag {
  uint8_t length;    // of what it gives
  uint8_t advance;   // to the next tag
  uint16_t high;     // bits of the distance; of a literal in one piece: a chunk
  uint32_t mask;     // of the bytes behind the tag: those of the distance
  uint64_t literal;  // all bits, or none
};
constexpr std::array<Tag, 256> kTags = [] {
  std::array<Tag, 256> tags{};  // distance 0: not to be done in chunks
  for (uint32_t tag = 0; tag < 256; ++tag) {
    const uint32_t rest = tag >> 2;
    const auto length = static_cast<uint8_t>(rest + 1);
    switch (tag & 3) {
      case kLiteral:
        if (rest < kShortLiteral) tags[tag] = {length, static_cast<uint8_t>(length + 1), kChunk, 0, ~uint64_t{0}};
        break;
      case kNearCopy:
        tags[tag] = {static_cast<uint8_t>((rest & 7) + 4), 2, static_cast<uint16_t>((rest >> 3) << 8), 0xff, 0};
        break;
      case kCopy: tags[tag] = {length, 3, 0, 0xffff, 0}; break;
      default: break;
    }
  }
  return tags;
}();

inline void copy_chunk(char* to, const char* from) {
  char chunk[kChunk];
  std::memcpy(chunk, from, kChunk);
  std::memcpy(to, chunk, kChunk);
}

// Where the next element is, and where what it gives goes to. `at` is null after a fault.
struct Place {
  const char* at;
  char* to;
};
struct Bounds {
  const char* end;    // of the elements
  const char* begin;  // of the output, as the next
  char* to_end;
};

Place take_literal(Place place, uint32_t rest, const Bounds& bounds) {
  auto [at, to] = place;
  size_t size = rest;
  if (rest >= kShortLiteral) {
    const size_t bytes = rest - kShortLiteral + 1;
    if (static_cast<size_t>(bounds.end - at) < bytes) return {};
    size = 0;
    for (size_t i = 0; i < bytes; ++i) size |= size_t{static_cast<uint8_t>(at[i])} << (8 * i);
    at += bytes;
  }
  ++size;
  if (size > static_cast<size_t>(bounds.end - at) || size > static_cast<size_t>(bounds.to_end - to)) return {};
  std::memcpy(to, at, size);
  return {at + size, to + size};
}

// One element, whatever it is, as near to the ends as may be.
Place take_element(Place place, const Bounds& bounds) {
  auto [at, to] = place;
  const auto tag = static_cast<uint8_t>(*at++);
  const uint32_t kind = tag & 3, rest = tag >> 2;
  if (kind == kLiteral) return take_literal({at, to}, rest, bounds);
  const ptrdiff_t distance_bytes = kind == kFarCopy ? 4 : kind;
  if (bounds.end - at < distance_bytes) return {};
  size_t size = rest + 1, distance = 0;
  switch (kind) {
    case kNearCopy:
      distance = size_t{rest >> 3} << 8 | load<uint8_t>(at);
      size = (rest & 7) + 4;
      break;
    case kCopy: distance = load<uint16_t>(at); break;
    default: distance = load<uint32_t>(at);
  }
  at += distance_bytes;
  if (distance == 0 || distance > static_cast<size_t>(to - bounds.begin) ||
      size > static_cast<size_t>(bounds.to_end - to))
    return {};
  for (const char* from = to - distance; size > 0; --size) *to++ = *from++;  // may read what it just wrote
  return {at, to};
}

}  // namespace

bool decode_snappy_elements(std::string_view elements, char* out, size_t size) {
  const char* at = elements.data();
  char* to = out;
  const Bounds bounds{at + elements.size(), out, out + size};
  // Far from both ends an element may be read and copied in whole chunks, also beyond its own end.
  const char* const fast_end = elements.size() > kReadMargin ? bounds.end - kReadMargin : at;
  char* const fast_to_end = size > kLongest ? bounds.to_end - kLongest : to;
  while (at < fast_end && to < fast_to_end) {
    const Tag tag = kTags[static_cast<uint8_t>(*at)];
    const size_t distance = (load<uint32_t>(at + 1) & tag.mask) | tag.high;
    const auto from_literal = reinterpret_cast<uintptr_t>(at + 1),
               from_copy = reinterpret_cast<uintptr_t>(to) - distance;
    const auto* from = reinterpret_cast<const char*>((from_literal & tag.literal) | (from_copy & ~tag.literal));
    // A copy from nearer than a chunk repeats what it writes; one from before the beginning is a fault.
    if ((distance < kChunk) | (distance > static_cast<size_t>(to - out))) [[unlikely]] {
      const Place next = take_element({at, to}, bounds);
      if (!next.at) return false;
      at = next.at, to = next.to;
      continue;
    }
    at += tag.advance;
    copy_chunk(to, from);
    copy_chunk(to + kChunk, from + kChunk);
    if (tag.length > 2 * kChunk) {
      copy_chunk(to + 2 * kChunk, from + 2 * kChunk);
      copy_chunk(to + 3 * kChunk, from + 3 * kChunk);
    }
    to += tag.length;
  }
  while (at < bounds.end) {
    const Place next = take_element({at, to}, bounds);
    if (!next.at) return false;
    at = next.at, to = next.to;
  }
  return to == bounds.to_end;
}

}  // namespace pipeline
