#include "server/compact/cpu_share.h"

#include <algorithm>
#include <ctime>
#include <thread>
#include <utility>

namespace server {

namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kAtOnce = std::chrono::milliseconds(20);  // shorter sleeps cost more than they give
constexpr nanoseconds kNap = std::chrono::milliseconds(50);

nanoseconds cpu_time() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

}  // namespace

void CpuShare::begin() {
  cpu_begin_ = cpu_time();
  begin_ = std::chrono::steady_clock::now();
}

void CpuShare::breathe(const std::atomic<bool>& cancelled) {
  if (share_ >= 1) return;
  const auto used = static_cast<double>((cpu_time() - cpu_begin_).count());
  const auto due = begin_ + nanoseconds(static_cast<int64_t>(used / share_));
  auto now = std::chrono::steady_clock::now();
  if (due - now < kAtOnce) return;
  while (now < due && !cancelled.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(std::min<nanoseconds>(due - now, kNap));
    const auto then = std::exchange(now, std::chrono::steady_clock::now());
    slept_ += now - then;
  }
}

}  // namespace server
