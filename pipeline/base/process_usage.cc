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

uint64_t resident_bytes() {
  long pages = 0, resident = 0;
  if (std::FILE* file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
    std::fclose(file);
  }
  return static_cast<uint64_t>(resident) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
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
