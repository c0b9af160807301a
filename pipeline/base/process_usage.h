// What the process itself uses, under the names that every Prometheus client has.
#pragma once

#include <cstdint>

#include "pipeline/base/metrics.h"

namespace pipeline {

uint64_t resident_bytes();  // of this process; 0: the system does not say

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds. Read when
// rendered.
void export_process_usage(Registry& registry);

}  // namespace pipeline
