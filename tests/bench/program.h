// Program: one of our two programs, running alone on the first CPU while everything of the benchmark stays on the
// second. On a machine with one CPU nothing is pinned.
//
// Life:    start() to stop() or destruction (kills).
// Thread:  one at a time.
// Errors:  a benchmark that cannot go on says why and exits: fatal().
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/http/http_client.h"

namespace bench {

[[noreturn]] void fatal(std::string_view what);

template <class T>
T must(pipeline::Result<T> result) {
  if (!result) fatal(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

void stay_on_second_cpu();  // this thread and all it will start

double now_seconds();  // monotonic

// A temporary folder under $TMPDIR or /tmp, removed with everything in it.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  std::string write(std::string_view name, std::string_view content) const;  // its path

 private:
  std::string path_;
};

struct CpuTime {
  double user = 0, system = 0;  // seconds, in units of 10 ms
};

struct Memory {
  uint64_t rss = 0, anonymous = 0;  // bytes, of smaps_rollup
};

class Program {
 public:
  // Arguments as given; `port` is where its own HTTP listens; standard error goes to FOLDER/log.
  Program(const Folder& folder, std::vector<std::string> arguments, uint16_t port);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  double wait_ready();         // seconds from start to the first 200 of /ready
  double cpu_seconds() const;  // user and system so far, all threads, exact
  CpuTime cpu_time() const;
  Memory memory() const;
  uint64_t peak_rss() const;  // bytes, since start or reset_peak()
  void reset_peak() const;
  void check_alive();  // fatal, with the end of its log, if it is not

  std::string url(std::string_view path) const;
  pipeline::HttpClientResponse get(std::string_view path) const;  // any status
  void post(std::string_view path) const;                         // waits up to 10 minutes for 2xx
  double metric(std::string_view name) const;                     // sum over all series; 0 when there is none

  double stop();  // seconds from TERM to its end

 private:
  std::string log_file_;
  uint16_t port_;
  pid_t pid_ = -1;
  double started_ = 0;
};

uint16_t free_port();
// The program as built beside this one: sibling_program("agent/skidway-agent").
std::string sibling_program(std::string_view in_build_folder);
uint64_t file_size(const std::string& path);

}  // namespace bench
