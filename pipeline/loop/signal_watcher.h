// SignalWatcher: calls back on the loop when the process gets a signal (TERM, INT, HUP).
//
// Life:    from construction to destruction; several watchers of one signal all hear it.
// Thread:  loop.
#pragma once

#include "pipeline/loop/loop.h"

namespace pipeline {

class SignalWatcher {
 public:
  SignalWatcher(Loop& loop, int signal_number, Task callback);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  struct State;
  Loop& loop_;
  State* state_;
};

}  // namespace pipeline
