// SignalWatcher: calls back on the loop when the process gets a signal (TERM, INT, HUP).
//
// Life:    from construction to destruction; several watchers of one signal all hear it.
// Thread:  loop.
#pragma once

#include <csignal>
#include <initializer_list>

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

// SignalHold: signals that come before there are watchers of them wait, instead of ending the process. To be made
// before any thread is, which then never gets them, and released by the same thread; what follows it must end in
// bounded time.
class SignalHold {
 public:
  explicit SignalHold(std::initializer_list<int> signals);
  ~SignalHold() { release(); }
  SignalHold(const SignalHold&) = delete;
  SignalHold& operator=(const SignalHold&) = delete;

  void release();  // may be called twice

 private:
  sigset_t held_;
  bool released_ = false;
};

}  // namespace pipeline
