// Clock: the two times a program needs, behind a seam so that tests never wait for a real one.
#pragma once

#include <chrono>
#include <cstdint>

namespace pipeline {

// Nanoseconds since 1970 UTC. Range: years 1678 to 2262.
using UnixNanos = int64_t;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixNanos wall() const = 0;                      // may jump: for timestamps of entries and texts only
  virtual std::chrono::nanoseconds monotonic() const = 0;  // never jumps: for time-outs, backoff, leases
};

// Thread: any.
class SystemClock final : public Clock {
 public:
  UnixNanos wall() const override;
  std::chrono::nanoseconds monotonic() const override;
};

// Moves only when told to. Thread: any one.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(UnixNanos start = 1'700'000'000'000'000'000) : wall_(start) {}
  UnixNanos wall() const override { return wall_; }
  std::chrono::nanoseconds monotonic() const override { return monotonic_; }
  void advance(std::chrono::nanoseconds by) { wall_ += by.count(), monotonic_ += by; }
  void jump_wall(std::chrono::nanoseconds by) { wall_ += by.count(); }

 private:
  UnixNanos wall_;
  std::chrono::nanoseconds monotonic_{0};
};

}  // namespace pipeline
