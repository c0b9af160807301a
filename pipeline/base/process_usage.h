// What the process itself uses, under the names that every Prometheus client has.
#pragma once

#include <cstdint>

#include "pipeline/base/metrics.h"

namespace pipeline {

// What of this process is in memory, in bytes. 0: the system does not say.
struct ResidentMemory {
  uint64_t all = 0;
  uint64_t of_files = 0;  // of these, what the system can read again from a file
};
ResidentMemory resident_memory();
inline uint64_t resident_bytes() { return resident_memory().all; }

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds. Read when
// rendered.
void export_process_usage(Registry& registry);

}  // namespace pipeline
