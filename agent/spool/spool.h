// Spool: one sink's batches on disk, for the loop: appends in groups, reads and forgets on a worker of its own.
//
// Life:    open() to destruction on the loop; close() lets what runs end and answers the rest with kCancelled. The
//          folder is made, and the worker started, when there is something to write or to read.
// Thread:  loop.
// Limits:  at most SpoolOptions::limit_bytes on disk. The caller bounds what it hands in.
// Errors:  see append(). What cannot be read is dropped, counted and logged; what is dropped is told to its owner.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/spool/spool_log.h"
#include "agent/spool/spool_metrics.h"
#include "agent/spool/spool_options.h"
#include "pipeline/base/clock.h"
#include "pipeline/base/folder_lock.h"
#include "pipeline/base/metrics.h"
#include "pipeline/loop/loop.h"
#include "pipeline/loop/timer.h"
#include "pipeline/loop/worker_pool.h"

namespace agent {

// The folder of a sink's spool in the folder of all: letters, digits, `.`, `_` and `-` of its name stay, other bytes
// become %XX.
std::string spool_folder_name(std::string_view sink);
std::string spool_sink_name(std::string_view folder);

struct SpoolParts {  // all outlive the spool
  pipeline::Loop& loop;
  pipeline::FileSystem& files;
  const pipeline::Clock& clock;
  pipeline::Registry& registry;
};

class Spool {
 public:
  // Called on the loop.
  struct Hooks {
    // Reasons: "corrupt", "spool_max_age", "spool_full".
    std::function<void(std::string_view reason, const SpoolVolume& volume)> dropped;
    std::function<void(const LostFrame&)> lost;           // the same, frame by frame; may be absent
    std::function<void(const LostFrame&)> lost_before;    // by open(): what is lost already, and may still be told of
    std::function<void(const SpoolEntry&)> found;         // by open(): a frame that waits
    std::function<bool(uint64_t home, FileId)> is_known;  // by open(): of lost files; absent: all are
  };

  // kUnavailable: another process uses the folder. kIo: what is there cannot be read or synced.
  static pipeline::Result<std::unique_ptr<Spool>> open(SpoolParts parts, const std::string& sink, std::string folder,
                                                       SpoolOptions options, Hooks hooks);
  ~Spool();

  // Those of `numbers` that are here or were sent from here. Blocks; before anything else is asked.
  std::set<BatchNumber> find(const std::set<BatchNumber>& numbers);

  struct Appended {
    std::vector<SpoolFrameId> ids;  // of the first frames; fewer than given: the limit is reached
  };
  // `done` once, on the loop: when the frames survive a power cut, or with the error that prevented it (kOverLimit: the
  // disk is full); then none of them is spooled. takes[i]: take() must not give frame i. One call at a time.
  void append(std::vector<SpoolFrame> frames, std::vector<bool> takes,
              std::function<void(pipeline::Result<Appended>)> done);
  bool appending() const { return appending_; }

  // The next frames, oldest first; none: there is nothing that waits. One call at a time.
  void take(uint64_t bytes, std::function<void(std::vector<SpoolLog::Taken>)> done);
  bool taking() const { return taking_; }

  // Sent, or given up as `losses` say: it is not sent again.
  void done(SpoolFrameId frame, std::vector<SpoolLoss> losses = {});
  void trim();  // give the space of an empty spool back
  void change(SpoolOptions options);
  void close();

  // As of the last answer.
  struct Status {
    uint64_t bytes = 0;
    SpoolVolume waiting;  // frames that nobody has taken
    uint64_t taken = 0;
    std::optional<pipeline::UnixNanos> oldest;
  };
  const Status& status() const { return status_; }
  bool has_frames() const { return status_.waiting.frames > 0; }

 private:
  struct DoneFrame {
    SpoolFrameId id;
    std::vector<SpoolLoss> losses;
  };
  struct Worked {  // what every task brings back
    Status status;
    SpoolLog::Dropped dropped;
    SpoolVolume drained;
  };
  Spool(SpoolParts parts, const std::string& sink, std::string folder, SpoolOptions options, Hooks hooks);
  pipeline::Result<void> open_log();
  static Worked report(SpoolLog* log);
  void note(Worked worked);
  void run_done();
  void expire();
  pipeline::UnixNanos oldest_allowed() const;
  SpoolLogOptions log_options() const;
  pipeline::WorkerPool& pool();

  const SpoolParts parts_;
  const std::string sink_, folder_;
  SpoolOptions options_;
  const Hooks hooks_;
  std::optional<pipeline::FolderLock> lock_;  // with log_
  std::unique_ptr<SpoolLog> log_;             // the worker's, while there is one; null: nothing is or was there
  std::vector<DoneFrame> done_, told_;        // not yet told to the log; being told
  bool appending_ = false, taking_ = false, telling_ = false, trim_ = false, closed_ = false;
  Status status_;
  SpoolMetrics metrics_;
  pipeline::Timer expiry_;
  std::unique_ptr<pipeline::WorkerPool> pool_;
};

}  // namespace agent
