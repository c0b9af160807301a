// Wal: the server's write-ahead log: accepted pushes in a folder of append-only segments, until they are in an object.
//
// Life:    open() finds what the last process left and cuts a torn tail; the first append starts a new segment.
// replay()
//          reads what was left, once, before appends or beside them.
// Thread:  append(): one thread (the committer); replay(): one thread; release_through(): any; all at the same time.
// Limits:  a segment is sealed when it reaches Options::segment_bytes, and deleted when all its frames are released.
// Errors:  append() is all or nothing: after an error nothing of the group may be acknowledged. The log then goes on
//          from the last good frame; after a failed sync (or truncation) it seals the segment, which is never written
//          again, and starts a new one: so the next append may well succeed.
//          A damaged frame costs that frame: skipped, counted, logged.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"
#include "pipeline/base/metrics.h"
#include "server/ingest/wal_frame.h"

namespace server {

struct WalOptions {
  std::string folder;
  uint64_t segment_bytes = 32 << 20;  // small enough that little already flushed waits for its segment's end
  // No frame gets a lower number. By the clock: a folder that was put back from a copy then gives out no number that a
  // frame had which came after the copy, and which an object may name.
  uint64_t least_number = 1;
};

class Wal {
 public:
  // Called with each whole frame, in order of their numbers. An error ends replay().
  using OnFrame = std::function<pipeline::Result<void>(WalFrame)>;

  // Frames up to `flushed_through` are in objects already and not replayed; their segments are deleted. Reads the last
  // segment only, however much there is to be replayed.
  static pipeline::Result<std::unique_ptr<Wal>> open(pipeline::FileSystem& files, pipeline::Registry& registry,
                                                     WalOptions options, uint64_t flushed_through);
  ~Wal();

  // Until it is done, release_through() must not be told of frames that it has not come to.
  pipeline::Result<void> replay(const OnFrame& on_frame);
  uint64_t replay_bytes() const { return replay_bytes_; }      // of the segments that replay() reads
  uint64_t replayed_bytes() const { return replayed_bytes_; }  // Thread: any. Of these, read by now

  // Appends the frames, numbers them, syncs once. After success all of them survive a power cut.
  pipeline::Result<void> append(std::span<WalFrame* const> group);

  // The next append starts a new segment: what is in this one goes as soon as it is released. Thread: of append().
  void roll();

  // Frames up to this number are safe elsewhere. Deletes the sealed segments that hold nothing else.
  void release_through(uint64_t number);

  uint64_t last_number() const { return next_number_ - 1; }  // Thread: of append()

 private:
  struct Segment;

  Wal(pipeline::FileSystem& files, pipeline::Registry& registry, WalOptions options);
  pipeline::Result<void> find_segments(std::vector<std::string> names);
  pipeline::Result<uint64_t> cut_torn_tail(const std::string& path, uint64_t first);
  pipeline::Result<void> replay_segment(const std::string& path, const OnFrame& on_frame);
  void seal_if_released();
  pipeline::Result<void> start_segment(uint64_t first_number);
  pipeline::Result<void> write_group(std::span<WalFrame* const> group);
  pipeline::Result<void> sync();
  void undo_group(const pipeline::Error& why);
  void seal();
  void delete_segments(std::deque<Segment> segments);

  pipeline::FileSystem& files_;
  const WalOptions options_;
  uint64_t next_number_ = 1;
  std::string buffer_;  // headers and small bodies on their way to the file

  uint64_t flushed_through_ = 0;        // as open() was told
  std::vector<std::string> to_replay_;  // paths, oldest first
  uint64_t replay_bytes_ = 0;
  std::atomic<uint64_t> replayed_bytes_{0};

  // The segment being written; thread of append(). file_ is empty before the first append and after seal().
  std::unique_ptr<pipeline::File> file_;
  std::string path_;
  uint64_t salt_ = 0;
  uint64_t size_ = 0;         // bytes known to be good
  uint64_t last_number_ = 0;  // of the frames in it

  std::mutex mutex_;
  std::deque<Segment> sealed_;  // under mutex_, oldest first
  uint64_t released_ = 0;       // under mutex_

  pipeline::Counter& bytes_;
  pipeline::Counter& frames_;
  pipeline::Counter& failures_;
  pipeline::LogLimiter failure_log_;
  pipeline::Counter& replayed_;
  pipeline::Counter& skipped_;
  pipeline::Counter& cut_bytes_;
  pipeline::Histogram& sync_seconds_;
};

}  // namespace server
