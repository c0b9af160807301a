#include "pipeline/loop/heap_trimmer.h"

#include <algorithm>
#include <cstdio>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "pipeline/base/concat.h"

namespace pipeline {

namespace {

// 0: unknown.
uint64_t anonymous_bytes() {
  unsigned long all = 0, resident = 0, of_files = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  if (std::fscanf(file, "%lu %lu %lu", &all, &resident, &of_files) != 3) resident = of_files = 0;
  std::fclose(file);
  return (resident - std::min(resident, of_files)) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

uint64_t idle_heap_bytes() {
  const auto heap = ::mallinfo2();
  if (heap.uordblks == 0) return 0;  // another allocator
  const uint64_t anonymous = anonymous_bytes(), in_use = heap.uordblks + heap.hblkhd;
  return anonymous - std::min(anonymous, in_use);
}

HeapTrimmer::HeapTrimmer(Registry& registry, std::string_view prefix, HeapTrimmerOptions options)
    : options_(options),
      trims_(
          registry.counter(concat(prefix, "_heap_trims_total"), "Times that idle memory was returned to the system.")),
      returned_(registry.counter(concat(prefix, "_heap_returned_bytes_total"), "Idle memory returned to the system.")),
      thread_([this] { run(); }) {}

HeapTrimmer::~HeapTrimmer() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stopping_.notify_one();
  thread_.join();
}

void HeapTrimmer::run() {
  pthread_setname_np(pthread_self(), "heap");
  std::unique_lock lock(mutex_);
  while (!stopping_.wait_for(lock, options_.interval, [this] { return stopped_; })) {
    const uint64_t idle = idle_heap_bytes();
    if (idle <= options_.most_idle) continue;
    ::malloc_trim(0);
    trims_.add();
    const uint64_t left = idle_heap_bytes();
    returned_.add(idle - std::min(idle, left));
  }
}

}  // namespace pipeline
