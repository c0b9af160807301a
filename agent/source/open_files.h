// OpenFiles: how many tailed files may be open at once, and how many are.
//
// Of the descriptors that the system allows, some are kept for sockets and the agent's own files. When files become
// scarce, readers close quiet ones (FileHandle::park); when there are none left, also others.
//
// Thread:  any.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "pipeline/base/metrics.h"

namespace agent {

class OpenFiles {
 public:
  // `descriptors`: RLIMIT_NOFILE in force.
  OpenFiles(uint64_t descriptors, pipeline::Registry& metrics);

  uint64_t limit() const { return limit_; }
  uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  bool scarce() const { return open() > limit_ - limit_ / 8; }
  bool full() const { return open() >= limit_; }
  // How many to close, when there are too many: then it is a while until the next time.
  uint64_t too_many() const;

  // Of FileHandle: it holds the mutex while it parks or opens again, and tells what became of it.
  std::mutex& mutex() { return mutex_; }
  void opened();
  void closed();
  void parked();
  void reopened();
  void left_parked();

 private:
  const uint64_t limit_;
  std::mutex mutex_;
  std::atomic<uint64_t> open_{0};
  pipeline::Gauge& parked_;
  pipeline::Counter& parkings_;
  pipeline::Counter& reopenings_;
};

}  // namespace agent
