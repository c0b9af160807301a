// QuietWatch: wakes the reader when something is written to a file that was quiet; one inotify watch per quiet file,
// which the system removes with its first event. So a busy file costs no events and a quiet one no polling.
//
// Thread:  one.
// Limits:  fs.inotify.max_user_watches; a file that gets no watch must be polled (watch() says so).
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/source/file_handle.h"

namespace agent {

class QuietWatch {
 public:
  QuietWatch();  // without inotify, watch() always refuses
  ~QuietWatch();
  QuietWatch(const QuietWatch&) = delete;
  QuietWatch& operator=(const QuietWatch&) = delete;

  int fd() const { return fd_; }  // readable when take() has something; -1: no inotify

  // From now on a write is told, once, under `token`. False: no watch to be had.
  [[nodiscard]] bool watch(const FileHandle& file, uint64_t token);

  // The tokens of files written to since. True: events were lost, so any watched file may have been written to.
  [[nodiscard]] bool take(std::vector<uint64_t>& tokens);

 private:
  const int fd_;
  // By watch. Two sources may read one file: further tokens stand in `others_`.
  struct Watch {
    uint64_t value;
  };
  static Watch watch_of(int wd) { return {static_cast<uint64_t>(wd)}; }
  IdMap<Watch, uint64_t> tokens_;
  std::unordered_multimap<int, uint64_t> others_;
};

}  // namespace agent
