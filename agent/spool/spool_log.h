// SpoolLog: the batches of one sink on disk, oldest first: a folder of append-only segments (bytes: spool_frame.h).
//
// Life:    open() seals what the last process left and starts where it stopped; one SpoolLog per folder. close() or the
//          destructor seals, which only saves work at the next open().
// Thread:  one at a time (the spool's worker).
// Limits:  memory: about 150 bytes a segment and each file of which it holds something, and the indexes of two of them.
// A segment is sealed at segment_bytes or
//          segment_frames, and deleted when all its frames are done; its space counts until then. open() reads the
//          indexes, and the headers of at most one segment per crash.
// Errors:  append() is all or nothing: after an error none of the group may be called spooled. It then goes on behind
//          the last good frame; after a failed sync (or truncation) in a new segment. A damaged frame costs that frame:
//          skipped, counted, logged.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/spool/spool_frame.h"
#include "agent/spool/spool_losses.h"
#include "agent/spool/spool_segment.h"
#include "agent/spool/spool_volume.h"
#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"

namespace agent {

struct SpoolFrameId {
  uint64_t segment = 0, offset = 0;
  auto operator<=>(const SpoolFrameId&) const = default;
};

struct SpoolLogOptions {
  std::string folder;
  uint64_t segment_bytes = 64 << 20;
  uint64_t segment_frames = 16 << 10;  // so that an index stays below some MiB
};

class SpoolLog {
 public:
  static constexpr uint64_t kMostSegmentBytes = 64 << 20;

  // `on_found` is told each frame that waits, and `on_lost` each that was lost: by open() alone.
  using OnFound = std::function<void(const SpoolEntry&)>;
  using OnLost = std::function<void(const LostFrame&)>;
  static pipeline::Result<std::unique_ptr<SpoolLog>> open(pipeline::FileSystem& files, SpoolLogOptions options,
                                                          const OnFound& on_found = {}, const OnLost& on_lost = {});
  ~SpoolLog();

  // Those of `numbers` that are here, whole, or were and are done, or lost. Reads the bodies of frames found.
  std::set<BatchNumber> find(const std::set<BatchNumber>& numbers);

  // Syncs once; then all of them survive a power cut. `takes[i]`: the caller has frame i and take() must not give it.
  pipeline::Result<std::vector<SpoolFrameId>> append(std::span<const SpoolFrame> group, const std::vector<bool>& takes);
  // What appending them will add to bytes(), at most.
  static uint64_t bytes_of(std::span<const SpoolFrame> group);

  struct Taken {
    SpoolFrameId id;
    SpoolFrame frame;
  };
  // The next frames that nobody has taken, oldest first: at least one if there is one, and not much more than `bytes`.
  // Damaged ones, and those closed before `oldest`, are dropped.
  std::vector<Taken> take(uint64_t bytes, pipeline::UnixNanos oldest);

  // Sent; or given up, in whole or in part: `losses` say how much of it was lost and why.
  void done(SpoolFrameId frame, std::vector<SpoolLoss> losses = {});

  // The waiting frames of the oldest segment that has some. False: there are none.
  bool drop_oldest_segment();
  void drop_older(pipeline::UnixNanos oldest);  // frames closed before `oldest`, while the oldest segment has no others
  void fold_losses(const std::function<bool(uint64_t home, FileId)>& is_known) { losses_->fold(is_known); }
  void set_segment_bytes(uint64_t bytes) { options_.segment_bytes = bytes; }
  void trim();  // deletes also the segment being written, if all of it is done
  void close();

  uint64_t bytes() const { return bytes_; }                // on disk
  const SpoolVolume& waiting() const { return waiting_; }  // neither taken nor done
  uint64_t taken() const { return taken_.size(); }
  std::optional<pipeline::UnixNanos> oldest() const;  // closing of the oldest frame not done, or of an older one

  struct Dropped {
    SpoolVolume corrupt, too_old, no_room;
    std::vector<LostFrame> frames;
  };
  Dropped take_dropped() { return std::exchange(dropped_, {}); }      // since the last call
  SpoolVolume take_drained() { return std::exchange(drained_, {}); }  // by done(), since the last call

 private:
  struct Segment {
    SpoolName name;
    uint64_t bytes = 0;   // on disk, its marks included
    uint64_t end = 0;     // behind its last good frame
    SpoolVolume left;     // not done
    SpoolVolume waiting;  // neither done nor taken
    pipeline::UnixNanos oldest = 0, newest = 0;
    OriginSums parts;                        // of those not done
    std::unique_ptr<pipeline::File> marks;   // opened by the first done()
    std::unordered_set<uint64_t> unwritten;  // marks that could not be written
  };
  // The segment that take() reads. Its entries are written_ while it is being written.
  struct Reading {
    uint64_t number = 0;  // 0: none
    std::unique_ptr<pipeline::File> file;
    std::vector<SpoolEntry> entries;
    std::unordered_set<uint64_t> done;
    size_t next = 0;
  };

  SpoolLog(pipeline::FileSystem& files, SpoolLogOptions options) : files_(files), options_(std::move(options)) {}
  std::string path(const SpoolName& name) const { return pipeline::concat(options_.folder, "/", name.text()); }
  std::string marks_path(const SpoolName& name) const { return path(name) + ".done"; }
  pipeline::Result<void> adopt(const SpoolName& name, const OnFound& on_found);
  pipeline::Result<uint64_t> seal_left_over(const SpoolName& name, const SpoolSegmentIndex& index);
  void remove_orphans(const std::vector<std::string>& names);
  pipeline::Result<void> start_segment();
  pipeline::Result<std::vector<SpoolEntry>> write_group(std::span<const SpoolFrame> group);
  void undo_group(const pipeline::Error& why);
  bool is_written(uint64_t number) const { return file_ && number == writing_; }
  void seal();
  void give_up_file();
  bool start_reading();
  pipeline::Result<void> load(Segment& segment);
  void take_from(Segment& segment, std::vector<Taken>& out, uint64_t& room, pipeline::UnixNanos oldest);
  bool is_done(const Segment& segment, const SpoolEntry& entry) const;  // of reading_
  void skip(Segment& segment, const SpoolEntry& entry, std::string_view why, SpoolVolume& reason);
  void settle(Segment& segment, const SpoolEntry& entry);
  void mark(Segment& segment, const SpoolEntry& entry);
  void lose(std::vector<LostFrame> lost);
  Segment* first_waiting();  // null: none
  void drop_segment(Segment& segment, std::string_view why, SpoolVolume& reason);
  void lose_waiting(Segment& segment, std::string_view why, SpoolVolume& reason);
  void drop_waiting(Segment& segment, SpoolVolume& reason);
  void remove_if_done(uint64_t number);

  pipeline::FileSystem& files_;
  SpoolLogOptions options_;
  std::unique_ptr<SpoolLosses> losses_;
  std::map<uint64_t, Segment> segments_;
  uint64_t next_segment_ = 1;
  uint64_t bytes_ = 0;
  SpoolVolume waiting_;
  std::map<SpoolFrameId, SpoolEntry> taken_;
  Dropped dropped_;
  SpoolVolume drained_;
  Reading reading_;

  // The segment being written: the last of segments_, while file_ is there.
  std::unique_ptr<pipeline::File> file_;
  uint64_t writing_ = 0;
  uint64_t size_ = 0;  // bytes known to be good
  std::vector<SpoolEntry> written_;
  std::string buffer_;
  pipeline::LogLimiter damage_log_, marks_log_, append_log_;
};

}  // namespace agent
