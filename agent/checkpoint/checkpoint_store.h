// CheckpointStore: how far every file was read, and which batches are on their way, in data_dir/checkpoints.db
// (SQLite).
//
// Life:    open() reads everything, raises the epoch of each sink and starts the worker; the destructor writes what
//          waits and joins it. One store per data_dir: DataFolder holds the lock.
// Thread:  any, except resume(). All SQLite work runs on the store's own worker, in groups: one transaction (one fsync)
//          for everything that waits. Acks, positions and files wait up to Options::group_wait for company; a record or
//          flush() is written at once and takes along what waits.
//          While some thousand operations wait, who asks for more waits for the worker; not for one that cannot write,
//          or does not for a second.
// Order:   operations take effect in the order of the calls; a group is all or nothing.
// Errors:  open(): a file that is not a database of ours or fails its check is set aside as checkpoints.db.corrupt-N
// and
//          a fresh one begins, with an error in the log (files are then met as if for the first time); a database made
//          by a newer version, or a folder that cannot be written, is an error. Later: a group that fails is kept and
//          tried again every second; its `done` calls come when it is on disk, or with kCancelled at the end.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/checkpoint/loss_ledger.h"
#include "agent/checkpoint/records.h"
#include "pipeline/base/metrics.h"
#include "pipeline/base/result.h"

namespace agent {

struct CheckpointStoreOptions {
  std::string path;                            // ":memory:": nothing is kept (dry run)
  std::vector<std::string> sinks;              // names of the sinks of this run
  std::chrono::milliseconds group_wait{1000};  // how long what need not be written at once waits for company
};

struct CursorText {
  std::string source, key, text;
};

class CheckpointStore {
 public:
  using Done = std::function<void(pipeline::Result<void>)>;

  static pipeline::Result<std::unique_ptr<CheckpointStore>> open(CheckpointStoreOptions options,
                                                                 pipeline::Registry& registry);
  ~CheckpointStore();

  // What was there at open(), and at add_sink(). Batches of SinkResume::records that are not acked must be rebuilt.
  // Thread: that of add_sink().
  const Resume& resume() const;

  // Files, positions and records of resume() are needed no more, and there may be many: they are let go.
  void forget_resume();

  // A sink that begins later than the others: resume() then has what is there of it, its epoch raised. Waits for the
  // store's worker. kUnavailable: it does not answer (the disk is stuck or full).
  pipeline::Result<void> add_sink(const std::string& name);

  // The id is valid at once; the row is on disk before any record or position that names it.
  FileId add_file(FileRecord record);
  void update_file(FileId file, FileRecord record);  // a new path, a longer fingerprint
  void forget_file(FileId file);                     // and its positions: it is gone and everything of it is acked

  // Until when this file of an earlier run was surely known: then wrote last a run that had added it, or had taken over
  // all files that its first scan of the source found. 0: there was none. Thread: any.
  pipeline::UnixNanos known_until(std::string_view source, FileId file) const;
  // The files that this run's first scan of `source` found are added, or updated: from now on it knows them.
  void end_first_scan(const std::string& source);

  // All or none. `done` is called on the store's worker (post it to where it belongs) once the records are on disk:
  // only then may their batches be sent for the first time.
  void put_records(const std::string& sink, std::vector<std::shared_ptr<const BatchRecord>> records, Done done);
  void ack(const std::string& sink, BatchNumber number);
  // Acked records of `sink` that lie below its positions are deleted in the same transaction.
  void save_positions(const std::string& sink, std::vector<FilePosition> positions);
  // Where a source that is no file goes on (Resume::cursors); an empty text removes it. Save only what is settled.
  void save_cursor(const std::string& source, const std::string& key, std::string text);
  // A cursor with which something else must be saved (sums of what it has passed): it is written by the next
  // save_held() of its source, in one group with `with`, a cursor of whatever source. Only the last text of a key is.
  // save_held() writes at once, or not at all where nothing is held and `with` is not new.
  void hold_cursor(const std::string& source, const std::string& key, std::string text);
  void save_held(const std::string& source, CursorText with);
  // The cursors of a source as they were saved, or held, last, by key: also for one that begins anew in this run.
  // Thread: any.
  std::map<std::string, std::string> cursors(const std::string& source) const;
  // What was dropped on the way to the sinks. Its sums are saved with the positions.
  LossLedger& losses();
  // Notes and saves why `sink` gets no ack; an empty text: it does again. Cheap where nothing is new.
  void note_fault(const std::string& sink, std::string_view text, pipeline::UnixNanos now);
  // Why the store itself cannot write at the moment; empty: it can. Thread: any.
  std::string trouble() const;
  // `done` is called on the store's worker once everything asked for before is on disk.
  void flush(Done done);

 private:
  class Worker;
  explicit CheckpointStore(std::unique_ptr<Worker> worker);
  std::unique_ptr<Worker> worker_;
};

}  // namespace agent
