// WorkClock: how long the calling thread has worked, on a machine where others want the processor, too: its time on a
// processor, and its time waiting for a disk or the network. The time in which it could have gone on and others had the
// processor is left out, so that a cheap query stays a cheap one beside a compaction.
//
// Life:    lap() gives what was worked since the last lap() or restart().
// Thread:  the one it is of.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <sys/resource.h>

namespace server {

class WorkClock {
 public:
  using Clock = std::chrono::steady_clock;

  void restart() { last_ = now(); }

  std::chrono::nanoseconds lap() {
    const State state = now();
    const std::chrono::nanoseconds passed = state.at - last_.at, computed = state.computed - last_.computed;
    // Who gave the processor away of its own waited for something; how long is not known, so all counts.
    const bool waited = state.waits != last_.waits;
    last_ = state;
    return waited ? passed : std::min(passed, computed);
  }

 private:
  struct State {
    Clock::time_point at;
    std::chrono::nanoseconds computed{0};
    long waits = 0;
  };

  static State now() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);  // its times are as of the last tick
    timespec computed{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &computed);
    return {Clock::now(), std::chrono::seconds(computed.tv_sec) + std::chrono::nanoseconds(computed.tv_nsec),
            usage.ru_nvcsw};
  }

  State last_;
};

}  // namespace server
