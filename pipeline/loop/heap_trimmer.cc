#include "pipeline/loop/heap_trimmer.h"

#include <algorithm>
#include <malloc.h>
#include <pthread.h>

#include "pipeline/base/concat.h"
#include "pipeline/base/process_usage.h"

namespace pipeline {

uint64_t idle_heap_bytes() {
  const auto heap = ::mallinfo2();
  if (heap.uordblks == 0) return 0;  // another allocator
  const ResidentMemory resident = resident_memory();
  const uint64_t elsewhere = resident.of_files + heap.uordblks + heap.hblkhd;
  return resident.all - std::min(resident.all, elsewhere);
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
