#include "pipeline/base/process_usage.h"

#include <cstdio>
#include <ctime>
#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

namespace pipeline {

namespace {
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

ResidentMemory resident_memory() {
  unsigned long pages = 0, resident = 0, of_files = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(file, "%lu %lu %lu", &pages, &resident, &of_files) != 3) resident = of_files = 0;
    std::fclose(file);
  }
  const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return {resident * page, of_files * page};
}

namespace {
double open_fds() {
  int n = -3;  // ".", ".." and the folder itself
  if (DIR* folder = ::opendir("/proc/self/fd")) {
    while (::readdir(folder)) n++;
    ::closedir(folder);
  }
  return n < 0 ? 0 : n;
}
}  // namespace

void export_process_usage(Registry& registry) {
  registry.gauge_callback("process_cpu_seconds_total", "CPU time used, user and system.", cpu_seconds);
  registry.gauge_callback("process_resident_memory_bytes", "Memory in use.",
                          [] { return static_cast<double>(resident_bytes()); });
  registry.gauge_callback("process_open_fds", "Open file descriptors.", open_fds);
  double start = static_cast<double>(std::time(nullptr));
  registry.gauge_callback("process_start_time_seconds", "When it started, unix time.", [start] { return start; });
}

}  // namespace pipeline
