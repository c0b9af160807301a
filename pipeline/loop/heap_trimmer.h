// HeapTrimmer: returns to the system what malloc keeps and nobody uses. Left alone, each arena keeps what it held at
// its peak: only the free end of an arena goes back by itself, and a small block behind a large hole is enough to keep
// the hole (a server at 50 MB/s beside wide queries: 275 MiB kept, of which 154 MiB were free after 18 minutes, and
// more with every minute).
//
// Once an `interval` it compares what is resident with what is in use; where more than `most_idle` is idle, it calls
// malloc_trim(3). That takes some 0.1 ms per MiB returned, for which threads that allocate may wait.
//
// Life:    a thread of its own from construction to destruction.
// Thread:  any one constructs and destroys it; one per process.
// Units:   bytes.
// Errors:  none: where /proc is not there, or another allocator than that of glibc is at work, nothing is returned.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <thread>

#include "pipeline/base/metrics.h"

namespace pipeline {

struct HeapTrimmerOptions {
  std::chrono::milliseconds interval{1000};
  uint64_t most_idle = 32 << 20;
};

class HeapTrimmer {
 public:
  // `prefix` of its metrics: "skidway_server".
  HeapTrimmer(Registry& registry, std::string_view prefix, HeapTrimmerOptions options = {});
  ~HeapTrimmer();
  HeapTrimmer(const HeapTrimmer&) = delete;
  HeapTrimmer& operator=(const HeapTrimmer&) = delete;

 private:
  void run();

  const HeapTrimmerOptions options_;
  Counter &trims_, &returned_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stopped_ = false;  // under mutex_
  std::thread thread_;
};

// Resident, but neither in use by whoever allocated it nor a part of a file.
uint64_t idle_heap_bytes();

}  // namespace pipeline
