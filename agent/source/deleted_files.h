// DeletedFiles: how many unread bytes lie in files that are deleted and live only by our open handles, for all shards
// together. Over the limit the oldest are to be released, first deleted first.
//
// Thread: any (locks).
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "agent/checkpoint/records.h"
#include "pipeline/base/metrics.h"

namespace agent {

constexpr uint64_t kDefaultHoldDeletedBytes = 1 << 30;

class DeletedFiles {
 public:
  DeletedFiles(uint64_t limit_bytes, pipeline::Registry& metrics);

  void set_limit(uint64_t limit_bytes);

  // `file` is deleted and has so many unread bytes; said again whenever they change. False: release it.
  [[nodiscard]] bool hold(FileId file, uint64_t unread_bytes);
  void forget(FileId file);  // read to its end, or released

 private:
  struct Held {
    FileId file;
    uint64_t unread_bytes = 0;
    bool condemned = false;  // its bytes count no more
  };
  void condemn_oldest();

  std::mutex mutex_;
  std::list<Held> held_;                                           // under mutex_: by the time of their deletion
  std::unordered_map<FileId, std::list<Held>::iterator> by_file_;  // under mutex_
  uint64_t limit_bytes_, held_bytes_ = 0;                          // under mutex_
  pipeline::Gauge& held_gauge_;
};

}  // namespace agent
