// What the process itself uses, under the names that every Prometheus client has, and which program it is.
#pragma once

#include <cstdint>

#include "pipeline/base/metrics.h"

namespace agent {

uint64_t resident_bytes();  // of this process; 0: the system does not say

// process_cpu_seconds_total, process_resident_memory_bytes, process_open_fds, process_start_time_seconds,
// skidway_agent_build_info, promtail_build_info. Read when rendered.
void export_process_metrics(pipeline::Registry& registry);

}  // namespace agent
