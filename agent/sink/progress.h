// Progress: how far one sink is with every file, from the moment a byte is passed by a reader to the moment it is
// acked.
//
// A file's position is the lowest byte that a batch not yet acked begins with (a hold), else the byte up to which the
// reader has passed everything. It lies between two blocks of the reader: a batch that begins inside one holds all of
// it, for what the block's stages dropped is noted (LossLedger) with the block's end.
// Streams (records.h) are followed in the same way; take_changed() leaves them out.
// Thread: any.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/checkpoint/id_map.h"
#include "agent/checkpoint/records.h"

namespace agent {

class Progress {
 public:
  using Hold = uint64_t;  // names one batch of this run, rebuilt ones included; never used twice

  // `known`: as the store had it. `first_seen` is told the first position of each other file, before anything of that
  // file can be in a batch; called with the lock held.
  Progress(const std::map<FileId, FilePosition>& known, std::function<void(FilePosition)> first_seen);

  Hold new_hold();
  void hold(Hold batch, FileId file, uint64_t begin);  // again with a lower `begin`: that one counts
  void pass(const FilePosition& passed);
  void release(Hold batch, const std::vector<FileId>& files);  // acked, or given up
  void forget(FileId file);

  std::optional<FilePosition> position(FileId file) const;
  bool holds(FileId file) const;             // a batch holds something of it
  std::vector<FilePosition> take_changed();  // those that moved since the last call

 private:
  struct File {
    uint64_t passed = 0;
    pipeline::UnixNanos last_read_time = 0;
    uint64_t taken = 0;    // what take_changed() said last
    bool changed = false;  // perhaps
  };
  using Holds = std::vector<std::pair<Hold, uint64_t>>;  // and where each begins
  FilePosition position_of(FileId id, const File& f) const;
  File& file(FileId id, uint64_t first_position);
  void note_change(FileId id, File& f);

  const std::function<void(FilePosition)> first_seen_;
  mutable std::mutex mutex_;
  IdMap<FileId, File> files_;                // under mutex_
  std::unordered_map<FileId, Holds> holds_;  // under mutex_: of few files
  std::vector<FileId> changed_;              // under mutex_: files whose `changed` is set
  Hold last_hold_ = 0;                       // under mutex_
};

}  // namespace agent
