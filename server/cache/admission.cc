#include "server/cache/admission.h"

#include <algorithm>
#include <bit>

namespace server {

Admission::Admission(size_t things) : mask_(std::bit_ceil(std::max<size_t>(things, 64)) - 1) {
  for (auto& row : counts_) row.resize(mask_ + 1);
}

size_t Admission::at(size_t row, uint64_t hash) const {
  static constexpr std::array<uint64_t, kRows> kMix = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9,
                                                       0xd6e8feb86659fd93};
  return static_cast<size_t>((hash ^ (hash >> 29)) * kMix[row] >> 20) & mask_;
}

void Admission::note(uint64_t hash) {
  for (size_t row = 0; row < kRows; ++row) {
    uint8_t& count = counts_[row][at(row, hash)];
    if (count < kMost) ++count;
  }
  if (++notes_ <= mask_) return;
  notes_ = 0;
  for (auto& row : counts_)
    for (uint8_t& count : row) count /= 2;
}

uint32_t Admission::count(uint64_t hash) const {
  uint32_t least = kMost;
  for (size_t row = 0; row < kRows; ++row) least = std::min<uint32_t>(least, counts_[row][at(row, hash)]);
  return least;
}

}  // namespace server
