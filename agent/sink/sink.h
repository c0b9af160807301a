// Sink and SinkPort: where entries leave the agent, and the seam between agent/source and agent/sink.
//
//   shard thread                                     loop                        store's worker
//   reader -> stages -> SinkPort::append  --batch--> Sink: queue, send, retry    record on disk
//                         (one per shard and sink)     <-- ack: position moves -->
//
// A reader hands each block's surviving entries to one port per sink. The port copies them once, into the open push
// batch, notes which bytes of which file they came from, and closes the batch by size or by time. A position moves only
// over bytes that are acked (or dropped on purpose).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "agent/checkpoint/records.h"
#include "agent/sink/elder_files.h"
#include "agent/sink/kept_ranges.h"
#include "agent/sink/sink_options.h"
#include "agent/spool/spool_log.h"
#include "pipeline/base/result.h"
#include "pipeline/model/batch.h"

namespace agent {

// An unacked batch of an earlier run, being built again under its old number. One at a time per port.
//
// Thread: the shard's that made it. The owner reads the record's segments in order, each range as it stands there, runs
// the stages of the file's source with a fresh StageState per file of the record, and appends the outcome; whatever
// the stages still hold after the last segment is flushed and appended. Then finish().
class Rebuild {
 public:
  virtual ~Rebuild() = default;  // without finish(): the batch stays in the store for the next start
  virtual const BatchRecord& record() const = 0;
  virtual void append(const pipeline::Batch& batch, FileId file) = 0;
  // Hands the batch to the sink. Nothing appended (its files are gone): the number is given up and its record removed.
  virtual void finish() = 0;
};

// Thread: the shard's, except where it says any.
class SinkPort {
 public:
  virtual ~SinkPort() = default;  // destroyed on the shard's thread or after it was joined, before its Sink

  // Takes the entries of one block of one file, in order; the block may be used again afterwards. `passed`: everything
  // of the file below passed.position is in this or earlier calls, or was dropped by stages; it is never above the
  // first byte of an open partial line. For a stream (records.h) its entries take the place of bytes. Call it with an
  // empty batch too: that is how dropped bytes are passed. Every origin of `batch` carries its read time. Entries that
  // this sink has already (covered by a kept record, or below its position at the start) are left out here. With
  // passed.file == 0 no record is kept. `elders`: where entries of this batch may begin; null: in the file itself.
  // Their positions are passed by calls of their own.
  virtual void append(const pipeline::Batch& batch, const FilePosition& passed, const ElderFiles* elders = nullptr) = 0;

  // Bytes of an earlier run that this sink has already; null: none of this file. append() leaves out entries made of
  // them; a line that every sink of its source has need not go through the stages at all.
  virtual const KeptRanges::OfFile* kept(FileId file) const = 0;

  // That of the sink. What lies below is acked, kept in the spool, or dropped on purpose. Thread: any.
  virtual std::optional<FilePosition> position(FileId file) const = 0;

  // What was given up of the entries of a stream since the last call. Told before position() passes them.
  virtual std::vector<LostEntries> take_lost(FileId /*stream*/) { return {}; }

  // Too much waits: stop reading for this sink until `on_room` (given to open_port) is called. append() still works.
  // Thread: any.
  virtual bool full() const = 0;

  // When the oldest open batch must be closed (monotonic), if there is one.
  virtual std::optional<std::chrono::nanoseconds> deadline() const = 0;
  virtual void close_due(std::chrono::nanoseconds now) = 0;  // closes what is due
  virtual void close_all() = 0;                              // at the end: everything leaves

  // `record` is one of unacked() of the sink.
  virtual std::unique_ptr<Rebuild> rebuild(const BatchRecord& record) = 0;
};

// Thread: loop, except where it says any.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual const std::string& name() const = 0;

  // `on_room` is called on the loop when full() may have become false, and when the position of a stream has moved; it
  // must be quick and may be called too often.
  virtual std::unique_ptr<SinkPort> open_port(std::function<void()> on_room) = 0;

  // Batches of an earlier run without an ack, by number. Each must be rebuilt once, by any one port, before or while
  // new bytes are read. Constant after the start. Thread: any.
  virtual const std::vector<BatchRecord>& unacked() const = 0;

  // Where to resume: the lowest byte of `file` that the sink may still need; nothing for a file it has never been
  // given. Reading starts at the lowest position of all sinks. After the start: every byte below it is acked. Thread:
  // any.
  virtual std::optional<FilePosition> position(FileId file) const = 0;
  virtual bool holds(FileId) const { return false; }    // something of it is in a batch that is not acked. Thread: any.
  virtual bool spooled(FileId) const { return false; }  // something of it may wait in the sink's spool
  virtual uint64_t in_spool(FileId) const { return 0; }     // bytes below position() that are known to wait there
  virtual SpoolVolume spool_waiting() const { return {}; }  // what waits in its spool, of all files and streams
  virtual void forget(FileId file) = 0;                     // Thread: any. Before CheckpointStore::forget_file.

  // Other options for a running sink of the same name and type. Nothing happens yet; what is given back makes the
  // change: what waits is sent with the new options, and every port is to be replaced by one opened after that.
  // kInvalid: a file of the options cannot be used.
  virtual pipeline::Result<std::function<void()>> prepare_change(SinkOptions options) = 0;

  // Sends what the ports have closed (close_all() on every port first) and calls `done` on the loop, once, when all of
  // it is acked or in the spool, or after `patience`; then nothing more is sent: what has no ack stays in the store for
  // the next start. Hands its positions to the store. Calling it again shortens the wait; only the first `done` is
  // called.
  virtual void stop(std::chrono::nanoseconds patience, std::function<void()> done) = 0;
  // The same, but what is in the spool is sent too, if `patience` suffices: there may be no next start.
  virtual void finish(std::chrono::nanoseconds patience, std::function<void()> done) {
    stop(patience, std::move(done));
  }
};

}  // namespace agent
