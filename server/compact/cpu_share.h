// CpuShare: how much of a processor a thread may use. The thread says now and then that it is at work, and sleeps for
// as long as it has been too fast.
//
// Thread: one, whose processor time is counted; `cancelled` ends a sleep within 50 ms.
#pragma once

#include <atomic>
#include <chrono>

namespace server {

class CpuShare {
 public:
  // Of one processor, above 0; 1 or more: never sleeps.
  explicit CpuShare(double share) : share_(share) {}

  void begin();  // what follows is counted, on this thread
  void breathe(const std::atomic<bool>& cancelled);
  std::chrono::nanoseconds slept() const { return slept_; }

 private:
  const double share_;
  std::chrono::nanoseconds cpu_begin_{0};
  std::chrono::steady_clock::time_point begin_;
  std::chrono::nanoseconds slept_{0};
};

}  // namespace server
