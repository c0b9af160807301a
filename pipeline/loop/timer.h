// Timer: calls back once, or again and again. Resolution: a millisecond.
//
// Life:    destroying it cancels it; it may be destroyed, stopped or started again inside its own callback.
// Thread:  loop.
#pragma once

#include <chrono>

#include "pipeline/loop/loop.h"

namespace pipeline {

class Timer {
 public:
  Timer(Loop& loop, Task callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(std::chrono::nanoseconds delay);            // once; a running timer starts anew; rounded up to 1 ms
  void start_repeating(std::chrono::nanoseconds every);  // first after `every`
  void stop();
  bool active() const;

 private:
  struct State;
  Loop& loop_;
  State* state_;  // freed by the close callback
};

}  // namespace pipeline
