#include "agent/source/open_files.h"

#include <algorithm>

namespace agent {

namespace {
constexpr uint64_t kMostReserved = 512;  // connections to sinks and from clients, database, log, inotify, folders

uint64_t files_of(uint64_t descriptors) { return descriptors - std::min(descriptors / 2, kMostReserved); }
}  // namespace

OpenFiles::OpenFiles(uint64_t descriptors, pipeline::Registry& metrics)
    : limit_(files_of(descriptors)),
      parked_(metrics.gauge("skidway_agent_closed_quiet_files",
                            "Files closed to save descriptors; watched all the same, opened again when written to.")),
      parkings_(
          metrics.counter("skidway_agent_quiet_files_closed_total", "Times a file was closed to save descriptors.")),
      reopenings_(metrics.counter("skidway_agent_quiet_files_reopened_total", "Times such a file was opened again.")) {
  metrics
      .gauge("skidway_agent_open_files_limit", "Tailed files that may be open at once (RLIMIT_NOFILE, less a reserve).")
      .set(static_cast<int64_t>(limit_));
}

uint64_t OpenFiles::too_many() const {
  uint64_t enough = limit_ - limit_ / 4;
  const uint64_t open = this->open();
  return scarce() || full() ? std::max<uint64_t>(open - std::min(open, enough), 1) : 0;
}

void OpenFiles::opened() { open_.fetch_add(1, std::memory_order_relaxed); }
void OpenFiles::closed() { open_.fetch_sub(1, std::memory_order_relaxed); }

void OpenFiles::parked() {
  closed();
  parked_.add(1);
  parkings_.add();
}

void OpenFiles::reopened() {
  opened();
  parked_.add(-1);
  reopenings_.add();
}

void OpenFiles::left_parked() { parked_.add(-1); }

}  // namespace agent
