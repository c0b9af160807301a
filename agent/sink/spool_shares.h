// SpoolShares: how much of each file waits in a sink's spool.
//
// Of a file and a sink, bytes above the sink's position wait anyway; only what lies below it is told here. A position
// may be behind its batches: after a crash, and where batches of several tenants hold parts of one file.
// Thread: one. Limits: memory: some hundred bytes a file of which something waits.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "agent/checkpoint/records.h"
#include "agent/spool/spool_origins.h"

namespace agent {

class SpoolShares {
 public:
  using Position = std::function<uint64_t(FileId)>;

  // `producer`: of the sink, as the store knows it. `position`: of the sink with a file; of one that it does not know
  // any more ~0.
  SpoolShares(std::string_view producer, Position position)
      : home_(spool_home(producer)), position_(std::move(position)) {}

  uint64_t home() const { return home_; }
  // A frame of a batch that waits. `this_run`: ids of its streams mean something.
  void add(std::string_view origins, bool this_run);
  void remove(std::string_view origins, bool this_run);  // it does not any more

  uint64_t below_position(FileId file) const;
  // Something of `file` may wait that nobody knows of; of a stream: something may wait.
  bool may_hold(FileId file) const;

 private:
  struct File {
    uint64_t passed = 0;            // bytes of parts that end below the position
    std::vector<SpoolPart> recent;  // the others
    void take(uint64_t bytes);
  };

  const uint64_t home_;
  const Position position_;
  std::map<FileId, File> files_;
  uint64_t unknown_ = 0, earlier_streams_ = 0;  // frames
};

}  // namespace agent
