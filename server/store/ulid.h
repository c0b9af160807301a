// Ulid: the id of an object: 48 bits of Unix milliseconds, then 80 random bits (github.com/ulid/spec). Sorts by time of
// making, never re-used. Text: 26 characters of Crockford's base 32. Also the 128-bit random ids of clusters.
#pragma once

#include <compare>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/clock.h"

namespace server {

struct Ulid {
  uint64_t high = 0, low = 0;

  auto operator<=>(const Ulid&) const = default;
  std::string text() const;   // 01JD...: 26 characters
  std::string bytes() const;  // 16, big-endian: sorts like the id
  static std::optional<Ulid> parse(std::string_view text);
  static std::optional<Ulid> from_bytes(std::string_view bytes);
  pipeline::UnixNanos time() const { return static_cast<int64_t>(high >> 16) * 1'000'000; }
};

// Makes ids that rise strictly within one maker. Thread: any.
class UlidMaker {
 public:
  explicit UlidMaker(const pipeline::Clock& clock);        // seeded by the system's random numbers
  UlidMaker(const pipeline::Clock& clock, uint64_t seed);  // for tests: repeatable
  Ulid make();

 private:
  uint64_t random();

  const pipeline::Clock& clock_;
  std::mutex mutex_;
  uint64_t state_[2];  // under mutex_
  Ulid last_;          // under mutex_
};

}  // namespace server
