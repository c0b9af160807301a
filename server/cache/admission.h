// Admission: which of two things is asked for more often lately. A cache that is full asks it before it throws out what
// it has, so that one scan over everything does not empty it.
//
// Counts of four bits in four rows; after as many notes as the sketch has counters all counts are halved, so the past
// fades. Thread: one at a time (under the lock of its cache).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace server {

class Admission {
 public:
  explicit Admission(size_t things = 1 << 14);  // about so many are told apart

  void note(uint64_t hash);  // asked for once more
  uint32_t count(uint64_t hash) const;
  // Whether `candidate` may take the place of `victim`: asked for at least as often.
  bool prefers(uint64_t candidate, uint64_t victim) const { return count(candidate) >= count(victim); }

 private:
  static constexpr size_t kRows = 4;
  static constexpr uint8_t kMost = 15;
  size_t at(size_t row, uint64_t hash) const;

  size_t mask_;
  std::array<std::vector<uint8_t>, kRows> counts_;
  uint64_t notes_ = 0;
};

}  // namespace server
