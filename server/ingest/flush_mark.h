// FlushMark: up to which frame the log may be called flushed, while two flushers work on it: that of the frames of an
// earlier run, which are replayed in their order, and that of the pushes since the start, whose frames come after
// those. As long as the former is not done the catalogue must not hear of the latter's numbers: a crash would skip the
// rest.
//
// Thread:  any.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>

namespace server {

class FlushMark {
 public:
  explicit FlushMark(bool recovered) : recovered_(recovered) {}

  // What to tell the catalogue with the commit of what was pushed up to `frame`; 0: nothing yet.
  uint64_t before_commit(uint64_t frame) const {
    std::lock_guard lock(mutex_);
    return recovered_ ? frame : 0;
  }
  // With `told`, what before_commit() gave. Returns what is still to be told of this commit: on_recovered() may have
  // come in between, too early to know of it. 0: nothing.
  uint64_t after_commit(uint64_t frame, uint64_t told) {
    std::lock_guard lock(mutex_);
    committed_ = std::max(committed_, frame);
    return recovered_ && told < frame ? committed_ : 0;
  }
  // Everything of the earlier run is flushed. Returns the last frame since then that is flushed too, or 0.
  uint64_t on_recovered() {
    std::lock_guard lock(mutex_);
    recovered_ = true;
    return committed_;
  }

 private:
  mutable std::mutex mutex_;
  bool recovered_;          // under mutex_
  uint64_t committed_ = 0;  // under mutex_
};

}  // namespace server
