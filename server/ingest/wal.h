// Wal: the server's write-ahead log: accepted pushes in a folder of append-only segments, until they are in an object.
//
// Life:    open() replays what the last process left and cuts a torn tail; the first append starts a new segment.
// Thread:  append(): one thread (the committer); release_through(): any; both may run at the same time.
// Limits:  a segment is sealed when it reaches Options::segment_bytes, and deleted when all its frames are released.
// Errors:  append() is all or nothing: after an error nothing of the group may be acknowledged. The log then goes on
//          from the last good frame; after a failed sync (or truncation) it seals the segment, which is never written
//          again, and starts a new one: so the next append may well succeed.
//          A damaged frame costs that frame: skipped, counted, logged.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "pipeline/base/file_system.h"
#include "pipeline/base/log.h"
#include "pipeline/base/metrics.h"
#include "server/ingest/wal_frame.h"

namespace server {

struct WalOptions {
  std::string folder;
  uint64_t segment_bytes = 32 << 20;  // small enough that little already flushed waits for its segment's end
};

class Wal {
 public:
  // Called with each whole frame, in order of their numbers. An error ends open().
  using OnFrame = std::function<pipeline::Result<void>(WalFrame)>;

  // Frames up to `flushed_through` are in objects already and not replayed; their segments are deleted.
  static pipeline::Result<std::unique_ptr<Wal>> open(pipeline::FileSystem& files, pipeline::Registry& registry,
                                                     WalOptions options, uint64_t flushed_through,
                                                     const OnFrame& on_frame);
  ~Wal();

  // Appends the frames, numbers them, syncs once. After success all of them survive a power cut.
  pipeline::Result<void> append(std::span<WalFrame* const> group);

  // Frames up to this number are safe elsewhere. Deletes the sealed segments that hold nothing else.
  void release_through(uint64_t number);

  uint64_t last_number() const { return next_number_ - 1; }  // Thread: of append()

 private:
  struct Segment;
  struct Replay;

  Wal(pipeline::FileSystem& files, pipeline::Registry& registry, WalOptions options);
  pipeline::Result<void> replay_segment(const std::string& name, bool last, Replay& replay);
  void seal_if_released();
  pipeline::Result<void> start_segment(uint64_t first_number);
  pipeline::Result<void> write_group(std::span<WalFrame* const> group);
  void undo_group(const pipeline::Error& why);
  void seal();
  void delete_segments(std::deque<Segment> segments);

  pipeline::FileSystem& files_;
  const WalOptions options_;
  uint64_t next_number_ = 1;
  std::string buffer_;  // headers and small bodies on their way to the file

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
