// FdWatcher: tells when a file descriptor can be read or written (inotify, libcurl's sockets).
//
// Life:    the descriptor belongs to the caller and is closed only after stop() or the watcher's end. Level-triggered.
//          May be destroyed inside its own callback.
// Thread:  loop.
// Errors:  a descriptor that cannot be polled (a regular file) is kInvalid in start().
#pragma once

#include "pipeline/loop/loop.h"

namespace pipeline {

struct FdEvents {
  bool readable = false;
  bool writable = false;
  bool error = false;  // hung up or failed: reading or writing will say why
};

class FdWatcher {
 public:
  FdWatcher(Loop& loop, int fd, UniqueFunction<void(FdEvents)> callback);
  ~FdWatcher();
  FdWatcher(const FdWatcher&) = delete;
  FdWatcher& operator=(const FdWatcher&) = delete;

  Result<void> start(bool readable, bool writable);  // replaces what was asked before; neither = stop()
  void stop();

 private:
  struct State;
  Loop& loop_;
  State* state_;
};

}  // namespace pipeline
