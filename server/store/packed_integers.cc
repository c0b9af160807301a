#include "server/store/packed_integers.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "pipeline/base/varint.h"

namespace server {

namespace {

constexpr std::array<uint64_t, 4> kScales = {1, 1'000, 1'000'000, 1'000'000'000};
constexpr unsigned kMaxNarrowWidth = 56;  // a number of that width lies within the 8 bytes at its first bit's byte

constexpr size_t packed_bytes(size_t count, unsigned width) { return (count * width + 7) / 8; }

constexpr uint64_t mask_of(unsigned width) { return width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1; }

// Calls `use` with the scale as a constant, which divides several times as fast as a variable.
template <class Use>
auto with_scale(uint8_t scale, Use&& use) {
  static_assert(kScales.size() == 4);
  switch (scale) {
    case 1: return use(std::integral_constant<uint64_t, kScales[1]>());
    case 2: return use(std::integral_constant<uint64_t, kScales[2]>());
    case 3: return use(std::integral_constant<uint64_t, kScales[3]>());
    default: return use(std::integral_constant<uint64_t, kScales[0]>());
  }
}

// The largest scale that divides all of `numbers` (each minus `base`).
uint8_t common_scale(std::span<const uint64_t> numbers, uint64_t base) {
  uint64_t all = 0;
  for (uint64_t v : numbers) all |= v - base;
  if (all == 0) return 0;
  uint8_t scale = 0;
  // What 1000 divides, 8 divides: one look at the lowest bits of all spares most divisions.
  for (uint64_t low_bits = 7; scale + 1U < kScales.size() && (all & low_bits) == 0; low_bits = low_bits << 3 | 7) {
    const bool divides = with_scale(scale + 1, [&](auto divisor) {
      return std::all_of(numbers.begin(), numbers.end(), [&](uint64_t v) { return (v - base) % divisor() == 0; });
    });
    if (!divides) break;
    ++scale;
  }
  return scale;
}

// The width that costs the fewest bits, numbers that do not fit being exceptions.
unsigned best_width(std::span<const uint64_t> numbers) {
  std::array<uint32_t, 65> of_width{};
  for (uint64_t v : numbers) ++of_width[static_cast<size_t>(std::bit_width(v))];
  unsigned widest = 64;
  while (widest > 0 && of_width[widest] == 0) --widest;
  unsigned best = widest > kMaxNarrowWidth ? 64 : widest;
  size_t best_bits = numbers.size() * best;
  size_t exceptions = of_width[widest];
  for (unsigned width = widest; width-- > 0;) {
    size_t bits = numbers.size() * width + exceptions * (8 + 8 * ((widest - width + 6) / 7));
    if (bits < best_bits && width <= kMaxNarrowWidth && exceptions < 256) best = width, best_bits = bits;
    exceptions += of_width[width];
  }
  return best;
}

void append_bits(std::string& out, std::span<const uint64_t> numbers, unsigned width) {
  if (width == 0) return;
  const size_t begin = out.size();
  out.resize(begin + packed_bytes(numbers.size(), width) + 8);  // 8: room for the last store
  char* to = out.data() + begin;
  if (width == 64) {
    std::memcpy(to, numbers.data(), numbers.size() * 8);
  } else {
    const uint64_t mask = mask_of(width);
    uint64_t word = 0;  // bits not yet stored
    unsigned used = 0;  // of its bits
    for (uint64_t number : numbers) {
      number &= mask;
      word |= number << used;
      used += width;
      if (used < 64) continue;
      std::memcpy(to, &word, 8);
      to += 8;
      used -= 64;
      word = number >> (width - used);  // width is below 64, so the shift is, too
    }
    std::memcpy(to, &word, 8);
  }
  out.resize(out.size() - 8);
}

// Reads up to 7 bytes behind the last number.
void take_bits(const char* from, uint64_t* out, size_t count, unsigned width) {
  uint64_t mask = mask_of(width);
  for (size_t i = 0, bit = 0; i < count; ++i, bit += width) {
    uint64_t word;
    std::memcpy(&word, from + bit / 8, 8);
    out[i] = word >> (bit % 8) & mask;
  }
}

// How a block is written: numbers of `width` bits, those above as exceptions.
struct BlockForm {
  uint64_t base = 0;
  uint8_t scale = 0;
  unsigned width = 0;
};

// Those of the block `numbers`, without its base and scale.
using BlockValues = std::array<uint64_t, kPackedBlock>;
std::span<const uint64_t> values_of(std::span<const uint64_t> numbers, uint64_t base, uint8_t scale,
                                    BlockValues& room) {
  with_scale(scale, [&](auto divisor) {
    for (size_t i = 0; i < numbers.size(); ++i) room[i] = (numbers[i] - base) / divisor();
  });
  return {room.data(), numbers.size()};
}

void append_block(std::string& out, std::span<const uint64_t> values, const BlockForm& form) {
  const auto [base, scale, width] = form;
  std::string exceptions;
  uint8_t exception_count = 0;
  uint64_t all = 0;
  for (uint64_t value : values) all |= value;
  for (size_t i = 0; (all & ~mask_of(width)) != 0 && i < values.size(); ++i) {
    uint64_t high = values[i] >> width;
    if (high == 0) continue;
    ++exception_count;
    exceptions += static_cast<char>(i);
    pipeline::append_varint(exceptions, high);
  }
  out += static_cast<char>(width);
  out += static_cast<char>(scale);
  out += static_cast<char>(exception_count);
  pipeline::append_varint(out, base);
  append_bits(out, values, width);
  out += exceptions;
}

}  // namespace

void append_packed(std::string& out, std::span<const uint64_t> numbers) {
  BlockValues room;
  for (size_t begin = 0; begin < numbers.size(); begin += kPackedBlock) {
    const auto block = numbers.subspan(begin, std::min(kPackedBlock, numbers.size() - begin));
    BlockForm form;
    form.base = *std::min_element(block.begin(), block.end());
    form.scale = common_scale(block, form.base);
    const auto values = values_of(block, form.base, form.scale, room);
    form.width = best_width(values);
    append_block(out, values, form);
  }
}

void append_packed_bytes(std::string& out, std::span<const uint64_t> numbers) {
  if (numbers.empty()) return;
  BlockForm form;
  form.base = *std::min_element(numbers.begin(), numbers.end());
  constexpr size_t kOneIn = 16;  // more exceptions than that cost more than another byte for all
  auto above = [&](uint64_t v) { return v - form.base > mask_of(form.width); };
  auto wider = [](unsigned width) { return width == kMaxNarrowWidth ? 64U : width + 8; };
  for (form.width = 8; form.width < 64; form.width = wider(form.width))
    if (static_cast<size_t>(std::count_if(numbers.begin(), numbers.end(), above)) <= numbers.size() / kOneIn) break;
  BlockValues room;
  for (size_t begin = 0; begin < numbers.size(); begin += kPackedBlock) {
    const auto block = numbers.subspan(begin, std::min(kPackedBlock, numbers.size() - begin));
    append_block(out, values_of(block, form.base, 0, room), form);
  }
}

bool PackedReader::block(uint64_t* out, size_t count) {
  pipeline::ByteReader reader(rest());
  auto width = reader.fixed<uint8_t>();
  auto scale = reader.fixed<uint8_t>();
  auto exceptions = reader.fixed<uint8_t>();
  uint64_t base = reader.varint();
  std::string_view bits = reader.bytes(packed_bytes(count, width));
  if (!reader.ok() || (width > kMaxNarrowWidth && width != 64) || scale >= kScales.size()) return false;

  if (width == 0) {
    std::fill(out, out + count, 0);
  } else if (width == 64) {
    std::memcpy(out, bits.data(), count * 8);
  } else if (reader.remaining() >= 8) {
    take_bits(bits.data(), out, count, width);
  } else {  // too near to the end of the bytes to read whole words
    std::array<char, kPackedBlock * 8 + 8> copy;
    std::memcpy(copy.data(), bits.data(), bits.size());
    std::memset(copy.data() + bits.size(), 0, 8);
    take_bits(copy.data(), out, count, width);
  }
  for (; exceptions > 0; --exceptions) {
    auto position = reader.fixed<uint8_t>();
    uint64_t high = reader.varint();
    if (!reader.ok() || position >= count || width == 64) return false;
    out[position] |= high << width;
  }
  uint64_t factor = kScales[scale];
  if (factor == 1) {
    for (size_t i = 0; i < count; ++i) out[i] += base;
  } else {
    for (size_t i = 0; i < count; ++i) out[i] = out[i] * factor + base;
  }
  at_ = end_ - reader.remaining();
  return true;
}

bool PackedReader::read(uint64_t* out, size_t count) {
  for (size_t begin = 0; begin < count; begin += kPackedBlock) {
    if (!block(out + begin, std::min(kPackedBlock, count - begin))) return false;
  }
  return true;
}

}  // namespace server
