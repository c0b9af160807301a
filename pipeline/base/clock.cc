#include "pipeline/base/clock.h"

#include <ctime>

namespace pipeline {

namespace {
int64_t read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return static_cast<int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}
}  // namespace

UnixNanos SystemClock::wall() const { return read_clock(CLOCK_REALTIME); }
std::chrono::nanoseconds SystemClock::monotonic() const {
  return std::chrono::nanoseconds(read_clock(CLOCK_MONOTONIC));
}

}  // namespace pipeline
